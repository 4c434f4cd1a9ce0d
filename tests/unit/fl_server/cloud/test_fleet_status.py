"""What the server shows of its sites: what it counted itself, and what they told."""

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fl_server.cloud.fleet_status import ago, fleet_table, site_rows
from fl_server.cloud.home import CloudHome
from fl_server.cloud.reports import SiteReports
from fl_server.cloud.sites import SPENT, EnrolledSite, Sites
from fl_server.cloud.superlink import SuperNode

NOW = 1_000_000.0


@pytest.fixture
def home(tmp_path: Path) -> CloudHome:
    """Three sites: one that tells all, one that tells nothing, and one that was never there."""
    home = CloudHome(tmp_path)
    for name in ("talker", "silent", "absent"):
        Sites(home.sites).add(name, EnrolledSite(f"{name}'s key", "ward"))
    SiteReports(home.reports, lambda: NOW - 120).hear("talker", "0.1.0", False, ["talker"])
    folder = home.runs / "first"
    folder.mkdir(parents=True)
    spent = {"talker": {"rounds": 3, "epsilon": 2.5, "limit": 8.0}}
    (folder / SPENT).write_text(json.dumps(spent))
    return home


def rows(home: CloudHome) -> dict[str, Any]:
    nodes = [
        SuperNode(1, b"talker's key", "online", NOW - 30),
        SuperNode(2, b"silent's key", "offline", NOW - 3 * 86_400),
    ]
    return site_rows(home, "first", nodes)


def test_each_site_has_what_is_known_of_it_and_nothing_else(home: CloudHome) -> None:
    found = rows(home)
    assert found["talker"] == {
        "class": "ward",
        "status": "online",
        "last_seen": NOW - 30,
        "told": {"at": NOW - 120, "version": "0.1.0", "healthy": False},
        "spent": {"rounds": 3, "epsilon": 2.5, "limit": 8.0},
    }
    assert (found["silent"]["status"], found["silent"]["told"]) == ("offline", None)
    nothing = {"status": "unknown", "last_seen": None, "told": None, "spent": None}
    assert found["absent"] == {"class": "ward", **nothing}


def test_the_table_says_it_in_words(home: CloudHome) -> None:
    status = {
        "running": True,
        "wrong": ["the disk\nis full"],
        "listen": "0.0.0.0:8443",
        "run": "first",
        "round": {
            "round": 3,
            "rounds": 9,
            "updates": 1,
            "asked": 2,
            "late": ["silent"],
            "on_sites": {"round": 2, "metrics": {"accuracy": 0.95, "balanced_accuracy": 0.5}},
        },
        "sites": rows(home),
    }
    stream = io.StringIO()
    Console(file=stream, width=140).print(fleet_table(status, NOW))
    text = stream.getvalue()
    assert r"the disk\nis full" in text
    assert "first, round 3 of 9" in text
    assert "late: silent" in text
    assert "after round 2: accuracy 0.95, balanced accuracy 0.5" in text
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line}
    assert lines["talker"] == "ward online 30 s ago 0.1.0 not well, 2 min ago 2.5 of 8 3"
    assert lines["silent"] == "ward offline 3 d ago - not told - -"
    assert lines["absent"] == "ward unknown never - not told - -"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s ago"), (-5.0, "0 s ago"), (59.0, "59 s ago"), (7200.0, "2 h ago")],
)
def test_how_long_ago_that_was(seconds: float, words: str) -> None:
    assert ago(NOW - seconds, NOW) == words


def test_reports_are_of_enrolled_sites_and_hold_no_text_of_a_site(tmp_path: Path) -> None:
    reports = SiteReports(tmp_path / "reports.json", time.time)
    reports.hear("gone", "1.0", True, ["gone"])
    reports.hear("here", "1.0\nfake line", True, ["here"])
    assert {name: one.version for name, one in reports.all().items()} == {"here": "unknown"}


def test_a_damaged_file_of_reports_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "reports.json"
    for damaged in ("", "[]", '{"a": 5}'):
        path.write_text(damaged)
        reports = SiteReports(path, time.time)
        assert reports.all() == {}
        reports.hear("a", "1.0", True, ["a"])
        assert reports.all()["a"].healthy
