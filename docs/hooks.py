"""What MkDocs is told beyond ``mkdocs.yml``: the navigation, files outside ``docs``, a last check.

``docs/README.md`` is both what a reader of the source sees and the site's navigation. A page may
link to a file elsewhere in the checkout, which the site then has a copy of (``OUTSIDE``). A page
that would make a browser fetch something from another machine fails the build.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

OUTSIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/DEPLOY.md",
    "benchmarks/EDGE.md",
    "benchmarks/README.md",
    "benchmarks/RESULTS.md",
    "examples/plugin/README.md",
    "fl_common/components/component.schema.json",
    "functions/README.md",
    "tests/README.md",
)
"""Files of the checkout that the site has a copy of, under the same path."""

_LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_ELSEWHERE = r"""["']?(?:https?:)?//[^\s"'>)]+"""
_LOADED = re.compile(
    rf"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc={_ELSEWHERE}"""
    rf"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|icon|preload|preconnect))[^>]*?\shref={_ELSEWHERE}"""
    rf"""|url\(\s*{_ELSEWHERE}|@import\s+{_ELSEWHERE}"""
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from the index."""
    config.nav = navigation((ROOT / "docs" / "README.md").read_text("utf-8"))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files from outside ``docs``."""
    for path in OUTSIDE:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to where the site has what they name."""
    return with_links_of_the_site(markdown, page.file.src_uri)


def on_post_build(config: MkDocsConfig) -> None:
    """Fail where a page loads anything from another machine."""
    pages = (p for p in Path(config.site_dir).rglob("*") if p.suffix in {".html", ".css"})
    read = {page.name: loaded_from_elsewhere(page.read_text("utf-8")) for page in pages}
    if found := {name: loaded for name, loaded in read.items() if loaded}:
        raise PluginError(f"pages must open without a network, but these load: {found}")


def navigation(index: str) -> list[Any]:
    """The site's navigation, from the headings and lists of links of ``docs/README.md``.

    Returns:
        MkDocs' own form: the home page, then for each heading its pages. A link into the middle of
        a page is none of them.
    """
    sections = re.split(r"^## ", index, flags=re.MULTILINE)[1:]
    return ["README.md", *(_section(*section.split("\n", 1)) for section in sections)]


def _section(heading: str, text: str) -> dict[str, list[dict[str, str]]]:
    links = re.findall(r"^- \[([^\]]+)\]\(([^)#\s]+)\)", text, flags=re.MULTILINE)
    return {heading: [{title: _in_site(_joined("docs", target))} for title, target in links]}


def with_links_of_the_site(markdown: str, uri: str) -> str:
    """``markdown`` of the page ``uri`` of the site, its relative links as the site has them."""
    source = uri if uri in OUTSIDE else f"docs/{uri}"

    def led(link: re.Match[str]) -> str:
        target = _in_site(_joined(posixpath.dirname(source), link[1]))
        return posixpath.relpath(target, posixpath.dirname(uri) or ".")

    parts = _FENCE.split(markdown)  # every second one is a block of code
    return "".join(part if n % 2 else _LINK.sub(led, part) for n, part in enumerate(parts))


def loaded_from_elsewhere(page: str) -> list[str]:
    """What a browser that opens this HTML or CSS fetches from another machine; links are not."""
    return [found[0] for found in _LOADED.finditer(page)]


def _joined(folder: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(folder, target))


def _in_site(path: str) -> str:
    """Where the site has a file of the checkout; unchanged, and then missed, where it does not."""
    return path.removeprefix("docs/") if path != "README.md" else path
