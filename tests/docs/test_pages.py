"""Links between the pages of the documentation lead somewhere, and tests that they name exist."""

import re
from pathlib import Path

import pytest

from tests.support.rooms import ROOMS, in_words
from tests.support.sources import ROOT

PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks").glob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_begins_with_its_title(page: Path) -> None:
    assert page.read_text().startswith("# ")


def test_every_test_that_a_page_names_exists() -> None:
    made = {
        name
        for folder in ("examples", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for name in (path.stem, *re.findall(r"def (test_\w+)", path.read_text()))
    }
    named = {name for page in PAGES for name in re.findall(r"\b(test_\w+)", page.read_text())}
    assert "test_mix_and_match_attack" in named
    assert named - made == set()


@pytest.mark.parametrize("package", ROOMS)
def test_the_page_on_architecture_gives_the_order_that_is_held(package: str) -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    assert f"- `{package}`: {in_words(package)}\n" in page


def test_folders_of_extensions_are_there() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    rows = re.findall(r"^\| [a-z ]+ \| `([^`]+)/` \|", page, flags=re.MULTILINE)
    assert len(rows) > 8
    assert [folder for folder in rows if not (ROOT / folder).is_dir()] == []
