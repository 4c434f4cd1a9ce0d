"""Runs of the command line, as a person would start them, and what each promised and reached."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measuring.measure import run_process
from benchmarks.privacy.results import Promise, Trial
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import ACCOUNTANTS
from fl_common.privacy.unit import PrivacyPlan
from fl_server.build import build_plan
from simulate.build import fleet_facts
from simulate.configuration.composition import configure, resolved
from simulate.job.preparation import yaml_of
from simulate.world import World
from simulate.world.build import open_world

_ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def command(overrides: Sequence[str]) -> str:
    """The command line as it is written on the page: without where the data lie."""
    return " ".join(["python -m simulate", *overrides])


Summary = dict[str, Any]
"""``summary.json`` of a run."""


def run(overrides: Sequence[str], data: Path | None, limit_s: float) -> tuple[Summary, float]:
    """The summary of one run in a process of its own, and the seconds of the whole process.

    ``data`` is an archive or a folder; None leaves it to the program to find or download it.

    Raises:
        ProcessFailed: it failed, or took longer than ``limit_s``.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        asked = [*overrides, *data_override(data), f"hydra.run.dir={folder}"]
        line = [sys.executable, "-m", "simulate", *asked]
        usage = run_process(line, _ENVIRONMENT, folder / "log.txt", limit_s)
        summary: Summary = json.loads((folder / "summary.json").read_text("utf-8"))
    return summary, usage.wall_s


def summaries(
    overrides: Sequence[str], seeds: int, data: Path | None = None, limit_s: float = 3600.0
) -> list[Summary]:
    """Of a run with each of so many seeds, from 0 on.

    Raises:
        ProcessFailed: see ``run``.
    """
    return [run([*overrides, f"seed={seed}"], data, limit_s)[0] for seed in range(seeds)]


def data_override(data: Path | None) -> list[str]:
    """Where the data lie, as an override."""
    return [] if data is None else [f"data.root={data}"]


def trial(overrides: Sequence[str], data: Path | None, limit_s: float) -> Trial:
    """One run as a trial.

    Raises:
        ProcessFailed: see ``run``.
    """
    summary, wall_s = run(overrides, data, limit_s)
    promise = _promise(plan_of([*overrides, *data_override(data)]).privacy, summary)
    return Trial(summary["seed"], summary["rounds"], summary["accuracy"], wall_s, promise)


def plan_of(overrides: Sequence[str]) -> RunPlan:
    """The plan that a run with these overrides has."""
    config = resolved(configure(*overrides))
    world = open_world(yaml_of(config["world"]))
    return build_plan(config, "plan", world.task, fleet_facts(world))


def world_of(overrides: Sequence[str]) -> World:
    """The data that a run with these overrides has."""
    return open_world(yaml_of(resolved(configure(*overrides))["world"]))


def _promise(plan: PrivacyPlan, summary: Summary) -> Promise | None:
    """What a plan that noises samples promised; None for any other."""
    promise, mechanism = plan.guarantee, plan.sample_mechanism
    if promise is None or mechanism is None:
        return None
    return Promise(
        limit=promise.epsilon_limit,
        epsilon=summary["epsilon_per_window"],
        epsilon_reading=summary["epsilon_per_reading"],
        delta=summary["delta"],
        noise_multiplier=summary["noise_multiplier"],
        clip_norm=mechanism.clip_norm,
        sampling_rate=mechanism.sampling_rate,
        steps=mechanism.steps,
        accountant=ACCOUNTANTS[promise.accountant],
    )
