"""How each system is run on a workload, and how its outcome is read."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring.environments import ROOT, WORKSHOP, python_of
from benchmarks.measuring.machine import cores
from benchmarks.measuring.measure import ProcessFailed, Usage, run_process
from benchmarks.report.results import Run
from benchmarks.workloads import (
    BARE,
    BARE_CORES,
    FLOWER,
    OPACUS,
    OPACUS_CORES,
    OURS,
    OURS_CORES,
    PFL,
    Job,
    Workload,
)
from fl_common.telemetry import OFF

_LIMIT_S = 600.0

_ENVIRONMENT = {
    # One thread per process for all systems: their parallelism is processes.
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),
    # Nothing is sent anywhere.
    **OFF,
}


@dataclass(frozen=True)
class Place:
    """Where a measurement finds its data and leaves its files."""

    data: Path

    @property
    def made(self) -> Path:
        """Data that the benchmark makes itself."""
        return WORKSHOP / "data"

    def prepared(self, workload: Workload) -> Path:
        """The peers' input."""
        return self.made / workload.name

    def outputs(self, name: str) -> Path:
        """A new, empty folder."""
        folder = WORKSHOP / "runs" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def overrides(self, workload: Workload | Job) -> list[str]:
        """The workload's overrides with this machine's folders."""
        return [o.format(data=self.data, made=self.made) for o in workload.overrides]

    def missing(self, workload: Workload | Job) -> list[str]:
        """Files that the workload needs and that are not there."""
        return [name for name in workload.needs if not (self.data / name).is_file()]


def measure(workload: Workload, system: str, place: Place, seed: int) -> Run:
    """One run of ``system`` in processes of its own.

    Raises:
        ProcessFailed: it could not be set up or run, or did less than was asked.
    """
    folder = place.outputs(f"{workload.name}-{system}-{seed}".replace(" ", "-").replace(",", ""))
    if system in (OURS, OURS_CORES):
        workers = 1 if system == OURS else cores()
        return measure_ours(place.overrides(workload), workers, seed, folder)
    outcome = folder / "outcome.json"
    command = [
        *_peer(system),
        *("--workload", str(place.prepared(workload))),
        *("--seed", str(seed)),
        *("--outcome", str(outcome)),
    ]
    usage = run_process(command, _ENVIRONMENT, folder / "log.txt", _LIMIT_S)
    return _run_of_peer(usage, json.loads(outcome.read_text()), workload)


def measure_job(job: Job, place: Place, seed: int) -> Run:
    """One run of a job of this project's own, as a person would start it.

    Raises:
        ProcessFailed: it failed, or a round had fewer updates than sites asked.
    """
    folder = place.outputs(f"{job.name}-{seed}".replace(" ", "-").replace(",", "").replace(":", ""))
    return _measure_command([*place.overrides(job), f"seed={seed}"], folder)


def measure_ours(overrides: Sequence[str], workers: int, seed: int, folder: Path) -> Run:
    """One run of this project's command line on a workload.

    Raises:
        ProcessFailed: it failed, or a round had fewer updates than sites asked.
    """
    asked = ["training=cohort", f"engine.workers={workers}", f"seed={seed}"]
    return _measure_command([*overrides, *asked], folder)


def _measure_command(overrides: Sequence[str], folder: Path) -> Run:
    command = [sys.executable, "-m", "simulate", *overrides, f"hydra.run.dir={folder}"]
    usage = run_process(command, _ENVIRONMENT, folder / "log.txt", _LIMIT_S)
    summary = json.loads((folder / "summary.json").read_text())
    rounds = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    short = [row["round"] for row in rounds if row["updates"] < row["sites_asked"]]
    if short:
        raise ProcessFailed(f"rounds {short} had fewer updates than sites asked")
    seconds = summary["seconds"]
    last_round_ended = max(p.stat().st_mtime for p in (folder / "checkpoints").iterdir())
    return Run(
        wall_s=usage.wall_s,
        round_s=median(seconds["rounds"]),
        loop_s=last_round_ended - usage.began - seconds["start_up"],
        start_up_s=seconds["start_up"],
        peak_bytes=usage.peak_bytes,
        accuracy=summary["accuracy"],
    )


def _peer(system: str) -> list[str]:
    """The command that runs a peer, without the options that all peers take."""
    module = "benchmarks.peers."
    if system == FLOWER:
        return [str(python_of("flower")), "-m", f"{module}flower"]
    if system == PFL:
        return [str(python_of("pfl")), "-m", f"{module}apple"]
    many = {BARE: 1, OPACUS: 1, BARE_CORES: cores(), OPACUS_CORES: cores()}[system]
    return [sys.executable, "-m", f"{module}bare", "--processes", str(many)]


def _run_of_peer(usage: Usage, outcome: dict[str, Any], workload: Workload) -> Run:
    if len(outcome["rounds_s"]) != workload.rounds:
        raise ProcessFailed(f"{len(outcome['rounds_s'])} of {workload.rounds} rounds")
    return Run(
        wall_s=usage.wall_s,
        round_s=median(outcome["rounds_s"]),
        loop_s=outcome["loop_s"],
        start_up_s=None,
        peak_bytes=usage.peak_bytes,
        accuracy=outcome["accuracy"],
    )
