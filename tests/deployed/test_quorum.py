"""Rounds of a real deployment go on without a box that is slow, silent or away."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fl_client.release.schedule import FILE
from tests.deployed.fleet import Cloud, TestSite, until

_SITES = ("anna", "ben", "cleo", "dora")
_GRACE_S = 1.0


@dataclass
class Fleet:
    cloud: Cloud
    sites: dict[str, TestSite]

    def all_there(self) -> dict[str, Any]:
        return self.cloud.await_round_with(lambda row: row["updates"] == 4, "all four sites")


@pytest.fixture(scope="module")
def running(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    changes = {
        "rounds": 100_000,
        "sites": 4,
        "strategy": {"round_timeout_s": 300.0, "quorum": 0.7, "grace_s": _GRACE_S},
        "privacy": {"sampling_rate": 0.25, "noise_multiplier": 2000.0, "epsilon": 100.0},
    }
    cloud = Cloud(tmp_path_factory.mktemp("quorum"), changes)
    sites = {name: TestSite(cloud, name) for name in _SITES}
    try:
        cloud.start()
        for site in sites.values():
            site.enroll()
            site.behave(delay=0.1)
            site.process.start()
        yield Fleet(cloud, sites)
    finally:
        for process in [cloud.process, *(site.process for site in sites.values())]:
            if process.popen is not None:
                process.kill()


def _late(cloud: Cloud, dora: TestSite) -> tuple[dict[str, Any], dict[str, Any]]:
    """The round that it was late in, and the next one.

    On a busy machine a box may miss so many heartbeats that Flower takes no answer of it: then
    another round tells.
    """
    while True:
        dora.behave(delay=20.0)
        late = cloud.await_round_with(lambda row: "dora" in row["late"], "a late site")
        assert sorted(late["answered"]) == ["anna", "ben", "cleo"]
        busy = cloud.await_rounds(1)
        assert (busy["busy"], busy["asked"], busy["updates"]) == (["dora"], 3, 3)
        dora.behave(delay=0.1)
        line = cloud.await_line(rf"site dora (answered|to) train {late['round']}\b")
        if "answered" in line:
            assert f"train {late['round']} late" in line
            return late, busy


def test_a_slow_box_is_named_and_its_late_answer_counts_nowhere(running: Fleet) -> None:
    cloud, dora = running.cloud, running.sites["dora"]
    running.all_there()
    try:
        late, busy = _late(cloud, dora)
        run = late["run"]
        charged = dora.rounds_charged()
        assert charged[f"{run} {late['round']}"] == 1, "it is charged as it was"
        assert charged[f"{run} {busy['round']}"] == 0, "it was not asked"
        assert max(dora.rounds_trained().values()) == 1
    finally:  # its slot has grown to what it took, for good, and it would stay late
        dora.behave(delay=0.1)
        dora.process.kill()
        (dora.folder / FILE).unlink(missing_ok=True)
        dora.process.start()
    running.all_there()


def test_a_silent_box_holds_up_nobody(running: Fleet) -> None:
    """Stopped, it says nothing, and Flower counts it as there for twice its heartbeat."""
    running.all_there()
    popen = running.sites["dora"].process.popen
    assert popen is not None
    os.killpg(popen.pid, signal.SIGSTOP)
    try:
        row = running.cloud.await_rounds(3)
        assert sorted(row["answered"]) == ["anna", "ben", "cleo"]
        away = running.cloud.await_round_with(lambda row: not row["busy"], "it is away")
        assert (away["asked"], away["updates"]) == (3, 3)
    finally:
        os.killpg(popen.pid, signal.SIGCONT)
    running.all_there()


def test_a_run_goes_on_after_a_restart_without_a_box_that_is_away(running: Fleet) -> None:
    cloud, dora = running.cloud, running.sites["dora"]
    running.all_there()
    dora.process.kill()
    cloud.kill("runner")
    cloud.await_line("the round begins with 3 of 4 sites")
    until(lambda: cloud.await_rounds(2)["updates"] == 3, "rounds of three")
    dora.process.start()
    running.all_there()
