"""What happens to a run when something breaks: real processes, killed and cut for real.

One deployment runs round after round; each test breaks something, and sees that the rounds go on
and that no site trained or charged a round twice.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.deployed.fleet import Cloud, TestSite, free_port, until

pytestmark = pytest.mark.timeout(900)
_SITES = ("anna", "ben", "cleo")
_UNUSABLE = {
    "garbage": "kind",
    "nan": "not finite",
    "shapes": "has shape",
    "huge": "above the limit of 50",
}
"""Answers, and what the round's log says of each."""


@dataclass
class Wire:
    """A TCP relay between one site and the server, which can be cut."""

    target: int
    port: int = field(default_factory=free_port)
    passed: int = 0
    cut_after: int | None = None
    """Bytes from the site after which everything is cut, once."""
    is_cut: bool = False

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self.listener.accept()
                if self.is_cut:
                    ours.close()
                    continue
                theirs = socket.create_connection(("127.0.0.1", self.target))
                self.open += [ours, theirs]
                for one, other, counted in ((ours, theirs, True), (theirs, ours, False)):
                    threading.Thread(
                        target=self._relay, args=(one, other, counted), daemon=True
                    ).start()

    def _relay(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if counted:
                    self.passed += len(data)
                    if self.cut_after is not None and self.passed > self.cut_after:
                        self.cut()
                        return
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        self.is_cut, self.cut_after = True, None
        for one in self.open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def mend(self) -> None:
        self.is_cut = False


def _complains(words: str, row: dict[str, Any]) -> bool:
    return any(words in error for error in row["errors"])


@dataclass
class Fleet:
    cloud: Cloud
    sites: dict[str, TestSite]
    wire: Wire

    def check_accounts(self) -> None:
        """No round was trained twice on a site, and none is in a ledger twice."""
        for site in self.sites.values():
            assert max(site.rounds_trained().values(), default=1) == 1, site.name
            charged = until(site.rounds_charged, "the ledger can be read")
            assert max(charged.values()) == 1, site.name

    def all_there(self) -> dict[str, Any]:
        return self.cloud.await_round_with(lambda row: row["updates"] == 3, "all three sites")


@pytest.fixture(scope="module")
def fleet(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    changes = {
        "rounds": 2000,
        "sites": 2,
        "strategy": {"round_timeout_s": 15.0, "minimum_sites": 2, "largest_update_norm": 50.0},
        "privacy": {"sampling_rate": 0.25, "noise_multiplier": 20.0, "epsilon": 100.0},
    }
    cloud = Cloud(tmp_path_factory.mktemp("faults"), changes)
    wire = Wire(cloud.port)
    sites = {name: TestSite(cloud, name) for name in _SITES}
    sites["cleo"].server = f"localhost:{wire.port}"
    try:
        cloud.start()
        for site in sites.values():
            site.enroll()
            site.behave(delay=0.1)
            site.process.start()
        fleet = Fleet(cloud, sites, wire)
        fleet.all_there()
        yield fleet
    finally:
        for site in sites.values():
            if site.process.popen is not None:
                site.process.kill()
        cloud.process.stop()


def test_a_site_killed_in_a_round_is_left_out_and_comes_back_by_itself(fleet: Fleet) -> None:
    anna = fleet.sites["anna"]
    before = len(anna.rounds_charged())
    anna.behave(delay=5.0)
    asked = fleet.cloud.round()
    until(lambda: fleet.cloud.round() > asked, "a round with a slow site")
    anna.process.kill()
    row = fleet.cloud.await_round_with(lambda row: row["updates"] == 2, "a round without it")
    assert "anna" not in row["answered"]
    anna.behave(delay=0.1)
    anna.process.start()
    until(lambda: "anna" in fleet.cloud.newest().get("answered", ()), "it is back")
    assert anna.process.said("refused by") or anna.process.said("joined")
    assert len(anna.rounds_charged()) > before
    fleet.check_accounts()


def test_a_site_that_is_away_for_three_rounds_is_the_same_afterwards(fleet: Fleet) -> None:
    ben = fleet.sites["ben"]
    fleet.all_there()
    node = ben.process.log.read_text().split("as node ")[1].split()[0]
    before = len(ben.rounds_charged())
    assert ben.process.stop() == 0
    fleet.cloud.await_round_with(lambda row: "ben" not in row["answered"], "it is away")
    fleet.cloud.await_rounds(2)
    ben.process.start()
    until(lambda: "ben" in fleet.cloud.newest()["answered"], "it is back")
    assert ben.process.log.read_text().split("as node ")[-1].split()[0] == node
    assert len(ben.rounds_charged()) > before
    fleet.check_accounts()


def test_a_run_whose_server_app_is_killed_goes_on_at_the_next_round(fleet: Fleet) -> None:
    fleet.all_there()
    runner = fleet.cloud.child("runner")
    done = fleet.cloud.round()
    os.kill(runner, signal.SIGKILL)
    until(lambda: fleet.cloud.child("runner") != runner, "a new runner")
    row = fleet.cloud.await_round_with(lambda row: row["updates"] == 3, "the next round")
    assert done < row["round"]
    rounds = [
        line.split("goes on after round ")[1]
        for line in fleet.cloud.log("runner").splitlines()
        if "goes on after round " in line
    ]
    assert int(rounds[-1]) >= done
    fleet.check_accounts()


def test_a_superlink_that_is_killed_comes_back_with_its_sites_and_its_run(fleet: Fleet) -> None:
    fleet.all_there()
    os.kill(fleet.cloud.child("superlink"), signal.SIGKILL)
    fleet.cloud.await_rounds(2)
    fleet.all_there()
    fleet.check_accounts()


def test_a_network_that_is_cut_in_an_update_loses_no_site(fleet: Fleet) -> None:
    fleet.all_there()
    cleo = fleet.sites["cleo"]
    fleet.wire.cut_after = fleet.wire.passed + 3000
    until(lambda: fleet.wire.is_cut, "the wire is cut")
    until(lambda: cleo.process.said("trying again"), "the site says so")
    fleet.cloud.await_round_with(lambda row: "cleo" not in row["answered"], "a round without it")
    fleet.wire.mend()
    fleet.all_there()
    fleet.check_accounts()


def test_answers_that_can_t_be_used_do_not_count(fleet: Fleet) -> None:
    ben = fleet.sites["ben"]
    fleet.all_there()
    for reply, words in _UNUSABLE.items():
        ben.behave(delay=0.1, reply=reply)
        row = fleet.cloud.await_round_with(partial(_complains, words), f"a complaint of {reply}")
        assert "ben" not in row["answered"]
        assert row["updates"] == 2
    ben.behave(delay=0.1)
    fleet.all_there()


def test_a_slow_site_is_not_waited_for_beyond_the_deadline(fleet: Fleet) -> None:
    fleet.all_there()
    fleet.sites["cleo"].behave(delay=40.0)
    row = fleet.cloud.await_round_with(lambda row: row["updates"] == 2, "a round without it")
    assert "1 sites did not answer in time" in row["errors"]
    assert row["seconds"] < 40
    fleet.sites["cleo"].behave(delay=0.1)
    fleet.all_there()
    fleet.check_accounts()
