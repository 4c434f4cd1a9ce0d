"""What happens to a run when something breaks: real processes, ended for real.

One deployment runs round after round; each test breaks something, and sees that the rounds go on
and that no site trained or charged a round twice.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from fl_client.federation.traffic import read_counts
from tests.deployed.cable import Cable
from tests.deployed.fleet import Cloud, TestSite, until

_SITES = ("anna", "ben", "cleo")
_DEADLINE_S = 15.0
"""Of a round, in which an honest site answers on any machine."""
_SOME_OF_AN_UPDATE = 100_000
"""Bytes: an update of the net has 300 kB, all that a site says besides in a round has 10."""


@dataclass
class Fleet:
    cloud: Cloud
    sites: dict[str, TestSite]
    cable: Cable
    """Between cleo and the server."""

    def check_accounts(self) -> None:
        """No round was trained twice on a site, and none is in a ledger twice."""
        for site in self.sites.values():
            assert max(site.rounds_trained().values(), default=1) == 1, site.name
            charged = until(site.rounds_charged, "the ledger can be read")
            assert max(charged.values()) == 1, site.name

    def behave(self, *names: str, **values: Any) -> None:
        for name in names or _SITES:
            self.sites[name].behave(**values)

    def all_there(self) -> dict[str, Any]:
        return self.cloud.await_round_with(lambda row: row["updates"] == 3, "all three sites")

    def await_busy(self, *names: str) -> int:
        """Wait until those sites train, all in one round; its number."""

        def rounds() -> set[str]:
            return {self.sites[name].busy() for name in names or _SITES}

        (busy,) = until(lambda: len(now := rounds()) == 1 and all(now) and now, "sites train")
        return int(busy.split()[-1])

    def await_done(self, round_: int, updates: int) -> None:
        """Wait until the server has counted so many updates in that round."""
        self.cloud.await_line(rf"round {round_} of \d+: {updates} of ")


@pytest.fixture(scope="module")
def running(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    changes = {
        "rounds": 100_000,
        "sites": 2,
        "net": {"hidden": [1000, 60]},
        "strategy": {"round_timeout_s": _DEADLINE_S, "minimum_sites": 2},
        "privacy": {"sampling_rate": 0.25, "noise_multiplier": 2000.0, "epsilon": 100.0},
    }
    cloud = Cloud(tmp_path_factory.mktemp("faults"), changes, net="mlp")
    with Cable(cloud.port) as cable:
        kinds = {"anna": "home"}
        sites = {name: TestSite(cloud, name, kinds.get(name, "ward")) for name in _SITES}
        sites["cleo"].server = f"localhost:{cable.port}"
        try:
            cloud.start()
            for site in sites.values():
                site.enroll()
                site.process.start()
            yield Fleet(cloud, sites, cable)
        finally:
            for site in sites.values():
                if site.process.popen is not None:
                    site.process.kill()
            cloud.process.stop()


@pytest.fixture
def fleet(running: Fleet) -> Iterator[Fleet]:
    """The fleet as it is when nothing is broken; its accounts hold afterwards."""
    running.behave(delay=0.1)
    running.all_there()
    yield running
    running.check_accounts()


def test_a_round_is_found_in_all_logs_and_counted_on_both_sides(fleet: Fleet) -> None:
    row = fleet.all_there()
    told = f"run {row['run']}, round {row['round']}"
    fleet.cloud.await_line(rf"{told} of \d+: 3 of 3 sites")
    for site in fleet.sites.values():
        until(partial(site.process.said, f"{told}: answered after"), site.name)
        counts = read_counts(site.folder / "training.json")
        assert counts.rounds >= 1
        assert counts.seconds["train"] > 0
        assert counts.sent_bytes > _SOME_OF_AN_UPDATE
    figures = (fleet.cloud.home / "metrics" / "fl_server.prom").read_text()
    for kind in ("home", "ward"):
        assert re.search(rf'fl_server_class_epsilon{{class="{kind}"}} 0\.[0-9]*[1-9]', figures), (
            kind
        )


def test_the_server_remembers_a_line_of_each_sites_ledger(fleet: Fleet) -> None:
    fleet.all_there()
    heads = json.loads((fleet.cloud.home / "ledgers.json").read_text())
    assert heads.keys() == {str(node_of(site)) for site in fleet.sites.values()}
    for site in fleet.sites.values():
        with closing(sqlite3.connect(site.folder / "ledger.sqlite")) as ledger:
            query = "SELECT number FROM charge WHERE hash = ?"
            assert ledger.execute(query, (heads[str(node_of(site))],)).fetchone(), site.name


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("garbage", "field 'run' is None, not str"),
        ("empty", "field 'site' is None, not str"),
        ("nan", "is not finite everywhere"),
        ("shapes", "values, not those of"),
        ("impostor", "site ben: its answer is in the name of site 'anna'"),
    ],
)
def test_an_answer_that_can_not_be_used_does_not_count(
    fleet: Fleet, reply: str, reason: str
) -> None:
    fleet.behave("ben", delay=0.1, reply=reply)

    def is_refused(row: dict[str, Any]) -> bool:  # and the others were in time
        found = any(reason in error for error in row["errors"])
        return found and sorted(row["answered"]) == ["anna", "cleo"]

    assert fleet.cloud.await_round_with(is_refused, "an error")["updates"] == 2


def test_an_update_that_is_far_larger_than_the_others_is_cut_and_named(fleet: Fleet) -> None:
    fleet.behave("ben", delay=0.1, reply="thousandfold")
    row = fleet.cloud.await_round_with(
        lambda row: bool(row["cut"]) and row["updates"] == 3, "a cut, and all in time"
    )
    assert row["cut"][0].startswith("update of site ben: its norm ")


def test_a_slow_site_is_not_waited_for_beyond_the_deadline(fleet: Fleet) -> None:
    ben = fleet.sites["ben"]
    fleet.behave("ben", delay=_DEADLINE_S + 2)
    number = fleet.await_busy("ben")
    fleet.await_done(number, 2)
    fleet.cloud.await_line(rf"round {number}: no answer in {_DEADLINE_S:g} s from site ben")
    fleet.behave("ben", delay=0.1)
    until(lambda: ben.process.said(f"round {number}: answered"), "its late answer")
    fleet.all_there()


def test_with_fewer_answers_than_the_minimum_a_round_is_asked_again(fleet: Fleet) -> None:
    fleet.behave("ben", "cleo", delay=_DEADLINE_S + 1)
    number = fleet.await_busy("ben", "cleo")
    fleet.behave(delay=0.1)
    run = fleet.cloud.newest()["run"]
    fleet.cloud.await_line(
        rf"error: run {run}, round {number}: 1 of 3 sites sent an update, and the minimum is 2"
    )
    fleet.await_done(number, 3)
    for site in fleet.sites.values():
        assert site.process.said(f"round {number}", "sent the same reply"), site.name


def test_a_server_app_killed_in_a_round_goes_on_with_it_by_itself(fleet: Fleet) -> None:
    fleet.behave(delay=2.0)
    number = fleet.await_busy()
    fleet.cloud.kill("runner")
    fleet.behave(delay=0.1)
    fleet.await_done(number, 3)
    for site in fleet.sites.values():
        assert site.process.said(f"round {number}", "sent the same reply"), site.name
    done = re.findall(r"round (\d+) of \d+: \d of", fleet.cloud.log("runner"))
    assert [int(one) for one in done[:number]] == list(range(1, number + 1)), "none left out"


def test_a_superlink_killed_and_started_again_knows_its_sites(fleet: Fleet) -> None:
    nodes = {name: node_of(site) for name, site in fleet.sites.items()}
    fleet.behave(delay=2.0)
    number = fleet.await_busy()
    fleet.cloud.kill("superlink")
    fleet.behave(delay=0.1)
    fleet.await_done(number, 3)
    fleet.all_there()
    assert {name: node_of(site) for name, site in fleet.sites.items()} == nodes


def test_a_server_killed_as_a_whole_goes_on_when_it_is_started(fleet: Fleet) -> None:
    fleet.behave(delay=2.0)
    number = fleet.await_busy()
    fleet.cloud.process.kill_alone()
    fleet.behave(delay=0.1)
    fleet.cloud.process.start()
    fleet.cloud.await_ready(2)
    fleet.await_done(number, 3)


def test_an_update_that_was_cut_off_is_sent_again(fleet: Fleet) -> None:
    cleo = fleet.sites["cleo"]
    fleet.behave("cleo", delay=1.0)
    number = fleet.await_busy("cleo")
    fleet.cable.cut_after(_SOME_OF_AN_UPDATE)
    until(lambda: fleet.cable.is_cut, "the cable is cut in its update")
    fleet.cable.mend()
    fleet.await_done(number, 3)
    assert cleo.process.said("tried again")


def test_a_round_goes_on_without_a_site_whose_update_is_cut_off(fleet: Fleet) -> None:
    fleet.behave("cleo", delay=1.0)
    number = fleet.await_busy("cleo")
    fleet.behave("cleo", delay=0.1)
    fleet.cable.cut_after(_SOME_OF_AN_UPDATE)
    fleet.await_done(number, 2)
    fleet.cable.mend()
    fleet.all_there()


def test_a_site_that_is_away_for_three_rounds_is_the_same_afterwards(fleet: Fleet) -> None:
    ben = fleet.sites["ben"]
    node, before = node_of(ben), ben.rounds_charged()
    assert ben.process.stop() == 0
    fleet.cloud.await_round_with(lambda row: "ben" not in row["answered"], "it is away")
    fleet.cloud.await_rounds(2)
    ben.process.start()
    until(lambda: "ben" in fleet.cloud.newest()["answered"], "it is back")
    assert node_of(ben) == node
    assert ben.rounds_charged() > before, "its ledger goes on"


def test_a_site_killed_in_a_round_is_left_out_and_comes_back_by_itself(fleet: Fleet) -> None:
    anna = fleet.sites["anna"]
    node = node_of(anna)
    anna.behave(delay=60.0)
    number = fleet.await_busy("anna")
    anna.process.kill()
    assert anna.rounds_charged()[anna.busy()] == 1, "the charge stays"
    (anna.folder / "busy.txt").unlink()
    anna.behave(delay=0.1)
    anna.process.start()
    fleet.await_done(number, 2)
    until(lambda: "anna" in fleet.cloud.newest()["answered"], "it is back")
    assert not anna.process.said("refused by"), "it has ended the session that it left open"
    assert node_of(anna) == node


def node_of(site: TestSite) -> str:
    """Flower's number for it, as it said last."""
    return site.process.log.read_text().split("as node ")[-1].split()[0]
