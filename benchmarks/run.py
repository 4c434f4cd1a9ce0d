"""``python -m benchmarks.run``: measure all systems on all workloads, and write the table.

python -m benchmarks.run                            everything, three runs each
python -m benchmarks.run --only B1,B2               these alone; results of the others stay
python -m benchmarks.run --only B1 --systems ours   of the systems only those so named, and bare
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.limits import operations_per_update
from benchmarks.measuring.machine import Facts, facts
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.peers.work import load_workload
from benchmarks.prepare import prepare
from benchmarks.report.results import Row, Run, read_results, write_results
from benchmarks.report.table import to_markdown
from benchmarks.systems import Place, measure, measure_job
from benchmarks.workloads import (
    BARE,
    COMPARED,
    MAIN,
    OPACUS,
    OURS,
    OURS_CORES,
    POPULATIONS,
    Workload,
)

HERE = ROOT / "benchmarks"
GROUPS = [*dict.fromkeys(workload.group for workload in COMPARED), "B5", "main"]

_console = Console(highlight=False, soft_wrap=True)


@dataclass
class Trial:
    """One system on one workload, to be run several times."""

    workload: str
    system: str
    clients_per_round: int
    run: Callable[[int], Run]
    runs: list[Run] = field(default_factory=list)
    failure: str | None = None

    def row(self) -> Row:
        """What came out; the runs before a failure do not count."""
        runs = () if self.failure else tuple(self.runs)
        return Row(self.workload, self.system, self.clients_per_round, runs, self.failure)


def carry_out(trials: Sequence[Trial], repeats: int) -> list[Row]:
    """Run each trial ``repeats`` times, in turns: a slow spell of the machine meets all alike."""
    for repeat in range(repeats):
        for trial in trials:
            if trial.failure is None:
                _attempt(trial, repeat)
                _console.print(_told(trial, repeat, repeats))
    return [trial.row() for trial in trials]


def _attempt(trial: Trial, seed: int) -> None:
    try:
        trial.runs.append(trial.run(seed))
    except (ProcessFailed, OSError, KeyError, ValueError) as error:
        trial.failure = " ".join(f"{error}".split()) or type(error).__name__


def _told(trial: Trial, repeat: int, repeats: int) -> str:
    head = f"{trial.workload:<20} {trial.system:<24} {repeat + 1} of {repeats}"
    if trial.failure is not None:
        return f"{head}  failed: {trial.failure}"
    run = trial.runs[-1]
    return (
        f"{head}  {run.round_s / trial.clients_per_round * 1e3:8.3f} ms per update"
        f"  {run.wall_s:6.1f} s  {run.peak_bytes / 2**20:5.0f} MiB  accuracy {run.accuracy:.4f}"
    )


def trials_of(group: str, place: Place, named: Sequence[str]) -> Iterator[Trial]:
    """All trials of a group; of the systems those that contain a name in ``named``, and bare."""
    for workload in (w for w in COMPARED if w.group == group):
        prepare(workload, place)
        for system in (*workload.peers, OURS, OURS_CORES):
            if system in (BARE, OPACUS) or any(name in system.lower() for name in named):
                yield _trial(workload, system, place)
    jobs = {"B5": POPULATIONS, "main": (MAIN,)}.get(group, ())
    for job in jobs:
        run = partial(measure_job, job, place)
        yield Trial(job.name, OURS, job.clients_per_round, run)


def work_of(group: str, place: Place) -> dict[str, float]:
    """Operations of one update on each workload of a group."""
    return {
        workload.name: operations_per_update(load_workload(place.prepared(workload)))
        for workload in COMPARED
        if workload.group == group
    }


def _trial(workload: Workload, system: str, place: Place) -> Trial:
    run = partial(measure, workload, system, place)
    return Trial(workload.name, system, workload.clients_per_round, run)


def bench(groups: Sequence[str], place: Place, named: Sequence[str], repeats: int) -> None:
    """Measure the groups one by one; what is done is kept when a later one fails."""
    machine: Facts = facts()
    if float(machine["load_at_start"]) > 0.5:
        _console.print(f"load {machine['load_at_start']}: other programs disturb the measurement")
    for group in groups:
        rows = carry_out(list(trials_of(group, place, named)), repeats)
        results = read_results(HERE / "results.json").replaced(rows, machine, work_of(group, place))
        write_results(HERE / "results.json", results)
        (HERE / "RESULTS.md").write_text(to_markdown(results))
    _console.print(f"written: {HERE / 'RESULTS.md'}")


def main() -> None:
    """Exit status 2 where the data are not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(GROUPS), help=f"of {','.join(GROUPS)}")
    parser.add_argument("--systems", default="", help="parts of systems' names, by commas")
    parser.add_argument("--repeats", type=int, default=3)
    default = os.environ.get("DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="the data sets' folder")
    options = parser.parse_args()
    groups = options.only.split(",")
    if unknown := set(groups) - set(GROUPS):
        parser.error(f"--only {','.join(sorted(unknown))}: must be of {','.join(GROUPS)}")
    place = Place(options.data.resolve())
    wanted = [w for w in COMPARED if w.group in groups] + [*POPULATIONS] * ("B5" in groups)
    if missing := sorted({name for one in wanted for name in place.missing(one)}):
        parser.error(
            f"{', '.join(missing)}: not in {place.data}. Set DATA (or --data) to the folder that"
            " has them, or leave the workload out with --only"
        )
    bench(groups, place, [name.lower() for name in options.systems.split(",")], options.repeats)


if __name__ == "__main__":
    main()
