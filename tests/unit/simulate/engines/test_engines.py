"""What every engine answers before a run, and what an engine leaves of the process."""

import logging
import os
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from flwr.supercore import telemetry

from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.plugins.build import build
from fl_server.rounds.roster import Member
from simulate import configure, run
from simulate.engines.process import quiet
from simulate.engines.protocol import SimulationEngine
from simulate.engines.ray import run_on_ray

ENGINES = ("loopback", "ray", "deployment")


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_has_the_name_of_its_option(name: str) -> None:
    engine: SimulationEngine = build(configure(f"engine={name}").engine)
    assert engine.name == name


@pytest.mark.parametrize(
    "overrides",
    [
        ("engine.workers=0",),
        ("engine.workers=1.5",),
        ("engine.cohorts=0",),
        ("engine.cohort_mib=0",),
        ("engine=ray", "engine.cpus_per_site=0"),
        ("engine=ray", "engine.cpus_per_site=100000"),
        ("engine=ray", "engine.address=auto"),
        ("engine=ray", "engine.address=head:0"),
        ("engine=deployment", "engine.heartbeat_s=0"),
        ("engine=deployment", "engine.look_for_models_s=-1"),
        ("engine=deployment", "engine.swap_timeout_s=soon"),
        ("engine=deployment", "engine.largest_message_bytes=0"),
    ],
    ids=" ".join,
)
def test_a_value_that_an_engine_can_not_use_is_refused_by_name(overrides: tuple[str, ...]) -> None:
    with pytest.raises(InvalidConfiguration, match=f"^{overrides[-1]}"):
        build(configure(*overrides).engine)


class Names(Sequence[str]):
    """A million names, each made when it is asked for."""

    asked = 0

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, position: Any) -> Any:
        self.asked += 1
        return f"site {position}"


def test_a_loopback_roster_costs_nothing_however_many_sites() -> None:
    engine: SimulationEngine = build(configure().engine)
    names = Names()
    roster = engine.roster(names)(None)  # type: ignore[arg-type]
    assert len(roster) == 1_000_000
    assert (roster[0], roster[999_999]) == (Member(1, "site 0"), Member(10**6, "site 999999"))
    assert names.asked == 2


def test_a_run_on_ray_reports_to_nobody_and_puts_everything_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "FLWR_TELEMETRY_ENABLED", "1")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    logger = logging.getLogger("flwr")
    monkeypatch.setattr(logger, "level", logging.INFO)
    seen: list[tuple[str, str, int]] = []

    def simulated(*apps: object, **options: object) -> None:
        usage = os.environ["RAY_USAGE_STATS_ENABLED"]
        seen.append((telemetry.FLWR_TELEMETRY_ENABLED, usage, logger.level))
        raise RuntimeError("ended")

    monkeypatch.setattr("flwr.simulation.run_simulation", simulated)
    monkeypatch.setattr("simulate.engines.ray.cluster", lambda *asked: nullcontext({}))
    with pytest.raises(RunFailed, match=r"can't carry out the run \(RuntimeError\): ended"):
        run_on_ray(None, None, 1, 1)  # type: ignore[arg-type]
    assert seen == [("0", "0", logging.CRITICAL)]
    assert telemetry.FLWR_TELEMETRY_ENABLED == "1"
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ
    assert logger.level == logging.INFO


@pytest.mark.slow
def test_a_runtime_that_does_not_start_ends_the_run_and_the_waiting_of_its_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def no_room(**options: object) -> None:
        raise ConnectionError("no room\non this machine")

    monkeypatch.setattr("simulate.engines.ray.cluster", lambda *asked: nullcontext({}))
    monkeypatch.setattr("ray.init", no_room)
    before = set(threading.enumerate())
    with pytest.raises(RunFailed, match=r"\(ConnectionError\): no room on this machine\n"):
        run(configure("engine=ray", "net=logistic", "rounds=1"), folder=tmp_path / "run")
    for thread in set(threading.enumerate()) - before:
        thread.join(120)
        assert not thread.is_alive()
    assert "Traceback" not in capfd.readouterr().err


def test_loggers_are_quiet_for_a_while() -> None:
    logger = logging.getLogger("of.another.library")
    with quiet(logger.name):
        assert not logger.isEnabledFor(logging.WARNING)
    assert logger.level == logging.NOTSET
