"""The page: complete, closed to the network, and safe from what stands in the data."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects
import pytest

from simulate.report.figures import figures
from simulate.report.frame import LIBRARY
from simulate.report.page import write_report
from simulate.report.results import Outcome, RoundResult
from simulate.report.wording import NO_PRIVACY
from tests.support import results_samples as made
from tests.support import samples

EVIL = "<script>window.evil = 1</script><img src=http://evil.example/x onerror=evil()>\"'&"
ALWAYS = ["accuracy", "loss", "sites", "confusion", "classes", "traffic", "seconds"]


class Page(HTMLParser):
    """Tags and texts of a page, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        _, attributes = self.tags[-1] if self.tags else ("", {})
        if self.cdata_elem == "script":
            self.scripts.append((attributes, data))
        elif self.cdata_elem is None:
            self.words.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def figures(self) -> list[dict[str, Any]]:
        [data] = [text for attributes, text in self.scripts if attributes.get("id") == "figures"]
        return list(json.loads(data))


def write(
    path: Path,
    private: bool = True,
    labels: tuple[str, ...] = samples.TASK.labels,
    shared: Path | None = None,
    **task: Any,
) -> Path:
    plan = made.plan(samples.WINDOW_PRIVACY if private else samples.PUBLIC, labels=labels, **task)
    rounds = [made.result(round_) for round_ in range(1, 13)]
    end = made.outcome(labels)
    end = replace(end, accuracy_of_group={**end.accuracy_of_group, labels[0]: 0.5})
    configuration = f"rounds: 12\nname: {labels[0]}\n"
    write_report(path, plan, made.summary(plan, rounds, end), rounds, end, configuration, shared)
    return path


@pytest.fixture(scope="module")
def private_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("private") / "report.html")


@pytest.fixture(scope="module")
def evil_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evil") / "report.html"
    return write(path, labels=(EVIL, "</script><b>", "fine"), name=EVIL)


def test_the_page_tells_what_was_trained_and_how_private_it_is(private_page: Path) -> None:
    page = Page(private_page.read_text())
    for words in (
        "A network learned to recognise 3 classes (still, moving, falling)",
        "classifies 80.0% of the windows held out",
        "ε = 3.46 at δ = 1e-05",
        "the limit is 50",
        "e^ε = 31.9 times",
        "each window of its data",
        "RDP (Mironov 2017), conversion of Balle et al. 2020",
        "came from a seed",
        "rounds: 12",
        "for each window (6.93 for a reading); limit 50, δ 1e-05",
        "3.46 (6.93 for a reading) at the end, and the limit is 50",
        "3.464 (6.93 for a reading)",
    ):
        assert words in page.text


def test_the_page_has_all_figures_each_with_words_for_it(private_page: Path) -> None:
    page = Page(private_page.read_text())
    assert [figure["name"] for figure in page.figures] == [ALWAYS[0], "epsilon", *ALWAYS[1:]]
    plots = [div for div in page.attributes("div") if div.get("class") == "plot"]
    assert [div["id"] for div in plots] == [figure["name"] for figure in page.figures]
    assert all(div["role"] == "img" and div["aria-label"] for div in plots)


def test_without_dp_the_page_says_so_and_draws_no_epsilon(tmp_path: Path) -> None:
    page = Page(write(tmp_path / "report.html", private=False).read_text())
    assert NO_PRIVACY in page.text
    assert "differentially private" not in page.text
    assert [figure["name"] for figure in page.figures] == ALWAYS


def test_nothing_is_loaded_from_outside(private_page: Path) -> None:
    text = private_page.read_text()
    page = Page(text)
    loading = ("src", "href", "srcset", "action", "data", "poster", "background")
    loads = [a[name] for _, a in page.tags for name in loading if name in a]
    assert loads == ["data:,"]
    assert not {"iframe", "object", "embed", "base", "img"} & {tag for tag, _ in page.tags}
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_lets_only_the_two_scripts_of_the_page_run(private_page: Path) -> None:
    page = Page(private_page.read_text())
    [policy] = [a["content"] for a in page.attributes("meta") if "http-equiv" in a]
    assert policy is not None
    running = [text for attributes, text in page.scripts if "type" not in attributes]
    assert len(running) == 2
    digests = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in running]
    assert f"default-src 'none'; script-src 'sha256-{digests[0]}' 'sha256-{digests[1]}';" in policy


def test_names_can_not_inject_anything(evil_page: Path) -> None:
    page = Page(evil_page.read_text())
    assert len(page.attributes("script")) == 3
    assert not page.attributes("img")
    assert not page.attributes("b")
    assert EVIL in page.text
    assert not any(re.match("on", name) for _, attributes in page.tags for name in attributes)
    assert not any("<" in text for attributes, text in page.scripts if "type" in attributes)
    values = json.dumps(page.figures)
    assert "<script" not in values, "plotly reads some tags in its texts"
    assert "&lt;script" in values


@pytest.mark.parametrize(("sites", "kind"), [(3, "bar"), (31, "box"), (5000, "bar")])
def test_the_distribution_over_sites_fits_their_number(sites: int, kind: str) -> None:
    end = made.outcome(sites=sites)
    drawn = {figure.name: figure for figure in figures(made.plan(), [made.result(1)], end)}["sites"]
    [trace] = drawn.data
    assert trace["type"] == kind
    assert len(trace["x"]) == min(sites, 50 if sites == 5000 else sites)
    assert f"of {sites:,} sites: from 70.0% to 90.0%, median 80.0%" in drawn.says
    [middle] = drawn.layout["shapes"]
    assert middle["x0"] == pytest.approx(0.8)


@pytest.mark.parametrize("rounds", [1, 3, 300])
@pytest.mark.parametrize("labels", [2, 40])
def test_plotly_accepts_every_figure(rounds: int, labels: int) -> None:
    names = tuple(f"class {i}" for i in range(labels))
    results = [made.result(round_) for round_ in range(1, rounds + 1)]
    results[-1] = made.result(rounds, updates=1, refusals={"budget": 1}, errors=1, loss=None)
    drawn = figures(made.plan(labels=names), results, made.outcome(names))
    assert drawn[-1].name == "answers"
    for figure in drawn:
        plotly.graph_objects.Figure(list(figure.data), figure.layout)  # raises on what it lacks


def test_epsilon_is_drawn_under_its_limit() -> None:
    drawn = figures(made.plan(), [made.result(1), made.result(4)], made.outcome())
    [epsilon] = [figure for figure in drawn if figure.name == "epsilon"]
    [limit] = epsilon.layout["shapes"]
    assert (limit["y0"], limit["y1"], limit["line"]["dash"]) == (50, 50, "dash")
    assert epsilon.data[0]["y"] == [1.0, 2.0]
    assert epsilon.layout["yaxis"]["range"][1] > 50


def test_the_confusion_matrix_shows_shares_of_each_row() -> None:
    drawn = figures(made.plan(), [made.result(1)], made.outcome())
    [confusion] = [figure for figure in drawn if figure.name == "confusion"]
    [heat] = confusion.data
    assert heat["z"][0] == [0.8, 0.2, 0.0]
    assert heat["text"][0][1] == "still, named moving:<br>2 of 10"


def test_a_run_that_diverged_is_still_reported(tmp_path: Path) -> None:
    plan, end = made.plan(), made.outcome()
    unknown = dict.fromkeys(made.MEASURES, float("nan"))
    end = Outcome(float("nan"), float("inf"), {"still": float("nan")}, end.confusion, {}, unknown)
    rounds: list[RoundResult] = [made.result(1, accuracy=None, loss=float("nan"))]
    path = tmp_path / "report.html"
    write_report(path, plan, made.summary(plan, rounds, end), rounds, end, "")
    page = Page(path.read_text())
    assert "loss not finite" in page.text
    assert page.figures[0]["data"][0]["y"] == [None]


def test_plotly_is_not_loaded_before_the_end_of_a_run() -> None:
    code = "import sys, simulate.report.page; sys.exit(bool({'plotly', 'torch'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def shared_page(folder: Path) -> Path:
    """A report of the member of a sweep in ``folder``."""
    path = folder / "seed=0,# 100%" / "report.html"
    path.parent.mkdir()
    return write(path, shared=folder)


def test_members_of_a_sweep_share_one_library(tmp_path: Path) -> None:
    path = shared_page(tmp_path)
    library = tmp_path / LIBRARY
    assert library.stat().st_size > 1e6 > path.stat().st_size
    sources = [attributes.get("src") for attributes in Page(path.read_text()).attributes("script")]
    assert sources == [None, f"../{LIBRARY}", None]


@pytest.mark.slow
def test_a_member_draws_with_the_shared_library_and_says_where_it_is_missing(
    tmp_path: Path,
) -> None:
    path = shared_page(tmp_path)
    tree, log = browse(path, tmp_path / "profile")
    assert 'class="main-svg"' in tree, log
    assert 'class="missing" hidden' in tree
    (tmp_path / LIBRARY).unlink()
    tree, _ = browse(path, tmp_path / "profile")
    assert 'class="main-svg"' not in tree
    assert 'class="missing">The figures need' in tree


def browse(path: Path, profile: Path) -> tuple[str, str]:
    """The page after its scripts have run in a browser without a network, and its log."""
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser is None:
        pytest.skip("no chromium here")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
         f"--user-data-dir={profile}", "--window-size=1400,900", "--virtual-time-budget=20000",
         "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", ["private_page", "evil_page"])
def test_a_browser_draws_every_figure_without_a_complaint(
    page: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(page)
    tree, log = browse(path, tmp_path / "profile")
    assert "CONSOLE" not in log, log
    for figure in Page(path.read_text()).figures:
        start = tree.index(f'id="{figure["name"]}"')
        drawn = tree[start : tree.index("</figure>", start)]
        assert 'class="main-svg"' in drawn, figure["name"]
        marks = {"scatter": 'class="lines"', "bar": 'class="point"', "heatmap": "<image"}
        assert marks[figure["data"][0]["type"]] in drawn, figure["name"]
