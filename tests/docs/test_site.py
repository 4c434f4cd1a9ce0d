"""The documentation as a site: its navigation, its links, and that it needs no network."""

import pytest

from docs.hooks import OUTSIDE, loaded_from_elsewhere, navigation, with_links_of_the_site
from tests.support.sources import ROOT

INDEX = """# Documentation

Words, and [a link](elsewhere.md) in them.

## How-to

- [Run it](how-to/run.md)
- [A part of a page](reference/data.md#part)

## Project

- [Changes](../CHANGELOG.md)
"""


def test_the_navigation_is_that_of_the_index() -> None:
    assert navigation(INDEX) == [
        "README.md",
        {"How-to": [{"Run it": "how-to/run.md"}]},
        {"Project": [{"Changes": "CHANGELOG.md"}]},
    ]


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("how-to/runs.md", "../reference/data.md#own", "../reference/data.md#own"),
        ("faults.md", "../benchmarks/DEPLOY.md", "benchmarks/DEPLOY.md"),
        ("explanation/windows.md", "../../fl_common/x.json", "../fl_common/x.json"),
        ("CONTRIBUTING.md", "tests/README.md", "tests/README.md"),
        ("CHANGELOG.md", "docs/how-to/runs.md", "how-to/runs.md"),
        ("benchmarks/README.md", "../docs/faults.md", "../faults.md"),
        ("tutorial.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("tutorial.md", "#part", "#part"),
    ],
)
def test_a_link_leads_to_where_the_site_has_its_file(page: str, link: str, there: str) -> None:
    code = f"\n```sh\necho [a]({link})\n```\n"
    assert with_links_of_the_site(f"[a]({link})" + code, page) == f"[a]({there})" + code


def test_files_from_outside_the_folder_exist() -> None:
    assert [path for path in OUTSIDE if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://example.org/a.js"></script>',
        "<script async src=//example.org/a.js></script>",
        '<img alt="x" src="http://example.org/a.png">',
        '<link rel="stylesheet" href="https://fonts.example.org/css">',
        '<link href="https://fonts.example.org" rel="preconnect">',
        "a { background: url('https://example.org/a.png') }",
        '@import "https://example.org/a.css";',
    ],
)
def test_what_a_browser_would_fetch_from_elsewhere_is_found(text: str) -> None:
    assert len(loaded_from_elsewhere(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        '<a href="https://example.org">a link</a>',
        '<script src="assets/a.js"></script>',
        '<link rel="canonical" href="https://example.org/">',
        "a { background: url(data:image/png;base64,AA//) }",
    ],
)
def test_what_a_site_may_have_is_not_found(text: str) -> None:
    assert loaded_from_elsewhere(text) == []
