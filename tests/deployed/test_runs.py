"""Many runs of one server: in the order of the queue, stopped, gone on with, refused, killed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fl_common.components.description import Kind, Stage
from fl_server.repository.build import build_repository, default_keys, load_configuration
from tests.deployed.fleet import Cloud, TestSite, until
from tests.support.samples import TASK
from tests.support.shell import blocks, desk, typed
from tests.support.sources import ROOT

_SITES = ("anna", "ben")
_LONG = 100_000


@dataclass
class Fleet:
    cloud: Cloud
    sites: dict[str, TestSite]

    def runs(self, *words: str) -> str:
        done = self.cloud.command("runs", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def listed(self) -> dict[str, dict[str, Any]]:
        return {row["run"]: row for row in json.loads(self.runs("list", "--json"))}

    def await_state(self, run: str, state: str) -> dict[str, Any]:
        row: dict[str, Any] = until(
            lambda: (row := self.listed()[run])["state"] == state and row,
            f"run {run} is {state}",
            log=lambda: self.cloud.log("runner"),
        )
        return row

    def await_rounds_of(self, run: str, more: int) -> int:
        begun = self.listed()[run]["round"]
        until(lambda: self.listed()[run]["round"] >= begun + more, f"{more} rounds of {run}")
        return int(self.listed()[run]["round"])

    def charged(self, run: str) -> dict[str, int]:
        """How often each round of a run is in anna's ledger."""
        identity = json.loads((self.cloud.home / "runs" / run / "run.json").read_text())["run"]
        found = self.sites["anna"].rounds_charged().items()
        return {key: times for key, times in found if key.startswith(f"{identity} ")}

    def version(self) -> int:
        """Of the model in testing."""
        place = self.cloud.home / "components"
        repository = build_repository(place, default_keys(place), load_configuration(None))
        entry = repository.entry(Kind.MODEL, TASK.name, Stage.TESTING)
        return 0 if entry is None else int(entry.component.version)


@pytest.fixture(scope="module")
def fleet(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    groups = ({"override /net": "logistic"}, {"override /evaluation": "federated"})
    changes = {
        "defaults": ["server", *groups, "_self_"],
        "rounds": 2,
        "sites": 2,
        "privacy": {"sampling_rate": 0.25, "noise_multiplier": 2000.0, "epsilon": 100.0},
        "evaluation": {"every": 1, "noise_multiplier": 500.0, "epsilon": 100.0},
    }
    cloud = Cloud(tmp_path_factory.mktemp("runs"), changes)
    sites = {name: TestSite(cloud, name) for name in _SITES}
    fleet = Fleet(cloud, sites)
    try:
        fleet.runs("start", "early", "rounds=1")
        cloud.start()
        for site in sites.values():
            site.enroll()
            site.behave(shadow=(5000, 4500, 300), runs=[])
            site.process.start()
        yield fleet
    finally:
        for process in [cloud.process, *(site.process for site in sites.values())]:
            if process.popen is not None:
                process.kill()


def test_the_servers_own_run_comes_first_then_the_queue_in_its_order(fleet: Fleet) -> None:
    """One was put into the queue before the server had ever run."""
    fleet.runs("start", "late", "rounds=3", "training.learning_rate=0.5")
    assert list(fleet.listed()) == ["first", "early", "late"]
    done = fleet.await_state("late", "complete")
    assert (done["round"], done["rounds"], done["overrides"][0]) == (3, 3, "rounds=3")
    assert {name: row["state"] for name, row in fleet.listed().items()} == dict.fromkeys(
        ("first", "early", "late"), "complete"
    )
    assert fleet.version() == 3
    assert [len(fleet.charged(name)) for name in fleet.listed()] == [2, 1, 3]
    assert set(fleet.charged("late").values()) == {1}
    shown = json.loads(fleet.runs("show", "late", "--json"))
    assert [row["round"] for row in shown["history"]] == [1, 2, 3]
    assert shown["settings"]["training.learning_rate"] == 0.5


def test_sites_are_asked_while_a_run_is_carried_out(fleet: Fleet) -> None:
    fleet.runs("start", "long", f"rounds={_LONG}")
    fleet.await_rounds_of("long", 1)
    running = fleet.cloud.command("running")
    assert running.returncode == 0, running.stderr
    assert json.loads(running.stdout)["sites"] == {"anna": [], "ben": []}
    shadow = fleet.cloud.command("shadow")
    assert shadow.returncode == 0, shadow.stderr
    assert json.loads(shadow.stdout)["sites"] == 2
    unknown = fleet.cloud.command("shadow", "--component", "nothing")
    assert unknown.returncode == 2
    assert unknown.stderr.splitlines()[-1].startswith("error: model nothing: is not in testing")
    assert fleet.listed()["long"]["state"] == "running"
    assert not list((fleet.cloud.home / "work" / "questions").iterdir())


def test_a_stopped_run_lets_the_next_begin_and_goes_on_where_it_was(fleet: Fleet) -> None:
    fleet.runs("start", "next", "rounds=1")
    assert "stopped" in fleet.runs("stop", "long")
    fleet.await_state("next", "complete")
    before = fleet.listed()["long"]
    assert before["state"] == "stopped"
    other = fleet.cloud.command("runs", "start", "long", f"rounds={_LONG}", "seed=1")
    assert other.returncode == 2
    assert "seed=1 (it began with null)" in other.stderr.splitlines()[-1]
    fleet.runs("start", "long")
    newest = fleet.await_rounds_of("long", 2)
    assert newest > before["round"]
    assert fleet.listed()["long"]["overrides"] == [f"rounds={_LONG}"]
    assert len(fleet.charged("long")) >= newest


def test_a_run_that_is_refused_is_told_and_holds_up_no_other(fleet: Fleet) -> None:
    """What the command would have refused, as a file that somebody has changed."""
    fleet.runs("start", "odd", "rounds=1")
    fleet.runs("start", "sound", "rounds=1")
    record = fleet.cloud.home / "runs" / "odd" / "request.json"
    record.write_text(record.read_text().replace("rounds=1", "rounds=0"))
    fleet.runs("stop", "long")
    fleet.await_state("sound", "complete")
    odd = fleet.listed()["odd"]
    assert odd["state"] == "refused"
    assert odd["why"].startswith("rounds=0: must be a whole number")


def test_a_server_that_is_killed_goes_on_with_the_run_and_then_the_queue(fleet: Fleet) -> None:
    fleet.runs("start", "long")
    newest = fleet.await_rounds_of("long", 1)
    fleet.runs("start", "after", "rounds=1")
    fleet.cloud.process.kill()
    assert fleet.listed()["long"]["state"] == "waiting", "nothing runs any more"
    fleet.cloud.process.start()
    until(lambda: fleet.listed()["long"]["round"] > newest, "it goes on")
    assert list(fleet.listed())[-2:] == ["long", "after"]
    fleet.runs("stop", "long")
    fleet.await_state("after", "complete")
    assert max(fleet.charged("long").values()) <= 2, "one round may have been cut off"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("start", "first"), "run first: is complete. Choose another name."),
        (("start", "new", "rounds=0"), "rounds=0: must be a whole number"),
        (("start", "new", "listen=1"), "listen=1: is the server's own"),
        (("start", "a/b"), "run=a/b: must be a name"),
        (("stop", "nobody"), "run nobody: is not in the queue"),
        (("stop", "first"), "run first: is complete"),
        (("show", "nobody"), "run nobody: is unknown here"),
        (("show",), "fl-server runs show: needs the name of a run"),
        (("list", "first"), "fl-server runs list: takes no name"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    words: tuple[str, ...], says: str, fleet: Fleet
) -> None:
    before = sorted(path.name for path in (fleet.cloud.home / "runs").iterdir())
    done = fleet.cloud.command("runs", *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: {says}")
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (fleet.cloud.home / "runs").iterdir()) == before


def test_the_tables_can_be_read(fleet: Fleet) -> None:
    assert "refused" in (table := fleet.runs("list"))
    assert "rounds=0: must be a whole number" in " ".join(table.split())
    shown = fleet.runs("show", "late")
    assert [line.split()[0] for line in shown.splitlines()[-3:]] == ["1", "2", "3"]


def test_the_commands_of_the_page(fleet: Fleet) -> None:
    reader = desk(fleet.cloud.folder)
    (reader / "server.yaml").symlink_to(fleet.cloud.config)
    (page,) = blocks("docs/how-to/deploy.md#more-runs")
    shown = typed(page, reader, PYTHONPATH=str(ROOT))
    assert "second begins" in shown
    assert "rounds=50 training.learning_rate=0.05" in shown
    assert "second is stopped" in shown
    assert fleet.await_state("second", "stopped")


def test_a_damaged_record_is_a_trouble_and_not_the_end(fleet: Fleet) -> None:
    record = fleet.cloud.home / "runs" / "after" / "request.json"
    kept = record.read_bytes()
    record.write_bytes(b"{")
    done = fleet.cloud.command("runs", "list")
    assert done.returncode == 2
    assert "can't be read" in done.stderr.splitlines()[-1]

    def wrong() -> list[str]:
        status = json.loads((fleet.cloud.home / "server.json").read_text())
        return [one for one in status["wrong"] if one.startswith("queue: ")]

    until(wrong, "the server tells")
    record.write_bytes(kept)
    until(lambda: not wrong(), "it has ended")
