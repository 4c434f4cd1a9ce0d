"""``python -m benchmarks.privacy.table``: accuracy on UCI HAR at each epsilon, as a page.

python -m benchmarks.privacy.table --data FOLDER    what `make privacy-table` runs
python -m benchmarks.privacy.table --cost           what DP costs in time, on the same page

Each run is kept as soon as it is done: the same command again goes on where it was cut off.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

from rich.console import Console

from benchmarks.measuring.journal import FOLDER, Journal
from benchmarks.measuring.machine import Facts, facts
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy.activity_parts import data_facts
from benchmarks.privacy.kept import with_seeds
from benchmarks.privacy.page import to_markdown
from benchmarks.privacy.results import (
    KEPT,
    PAGE,
    Cost,
    Level,
    Measured,
    Trial,
    read_measured,
    trial_of,
    write_measured,
)
from benchmarks.privacy.runs import command, run, trial
from fl_common.errors import BadInput
from simulate.report.results import write_text

LIMITS = (8.0, 4.0, 2.0, 1.0)
SEEDS = 5

_LIMIT_S = 600.0
_REPEATS = 5

_EQUAL = ("world._target_=benchmarks.privacy.activity_parts.EqualSites",)
_CNN = (
    *("task=activity", *_EQUAL, "net=cnn1d", "rounds=20", "training.batch_size=32"),
    *("training.local_epochs=1", "training.learning_rate=0.1"),
)
_COSTS = (
    (
        "experiment=har_private",
        "2 steps of all 281 windows, on each of 21 sites",
        ("experiment=har_private", *_EQUAL),
        ("experiment=har_private", *_EQUAL, "privacy=none", "training.batch_size=281"),
    ),
    (
        "net=cnn1d",
        "9 steps of 32 windows (with DP on average), on each of 21 sites",
        (*_CNN, "privacy.sampling_rate=null", "privacy.noise_multiplier=1", "privacy.epsilon=1000"),
        (*_CNN, "privacy=none"),
    ),
)
"""Name, work, and overrides with DP and without."""

_T = TypeVar("_T")
_console = Console(highlight=False, soft_wrap=True)


def measure_levels(data: Path | None) -> list[Level]:
    """All runs of the table, one after another.

    Raises:
        ProcessFailed: one failed.
        BadInput: no data there.
    """
    machine = {**facts(), "data": data_facts(data)}
    asked: list[tuple[str, ...]] = [("experiment=har_without_privacy",)]
    asked += [("experiment=har_private", f"privacy.epsilon={limit:g}") for limit in LIMITS]
    with journal_of("table", machine, len(asked) * SEEDS).series() as journal:
        return [
            Level(command(one), trials_of(one, SEEDS, data, _LIMIT_S, journal), machine)
            for one in asked
        ]


def trials_of(
    overrides: Sequence[str], seeds: int, data: Path | None, limit_s: float, journal: Journal
) -> tuple[Trial, ...]:
    """A run with each of so many seeds, from 0 on.

    Raises:
        ProcessFailed: one failed.
    """
    asked = ([*overrides, f"seed={seed}"] for seed in range(seeds))
    return tuple(_tried(one, data, limit_s, journal) for one in asked)


def _tried(asked: Sequence[str], data: Path | None, limit_s: float, journal: Journal) -> Trial:
    """One run as a trial, or the one that the journal has kept.

    Raises:
        ProcessFailed: it failed.
    """
    done = trial_of(journal.measure(command(asked), lambda: asdict(trial(asked, data, limit_s))))
    _console.print(f"{command(asked):<75} accuracy {done.accuracy:.4f}  {done.wall_s:5.1f} s")
    return done


def journal_of(name: str, machine: Facts, total: int) -> Journal:
    """The journal of a series of ``total`` runs, in a folder that git ignores."""
    return Journal(FOLDER / f"privacy-{name}.json", str(machine["commit"]), total, _console)


def measure_costs(data: Path | None) -> list[Cost]:
    """Seconds per round with DP and without, run in turns.

    Raises:
        ProcessFailed: a run failed.
    """
    machine = facts()
    with journal_of("cost", machine, 2 * _REPEATS * len(_COSTS)).series() as journal:
        return [
            _cost(name, work, (private, plain), data, machine, journal)
            for name, work, private, plain in _COSTS
        ]


def _cost(
    name: str,
    work: str,
    both: tuple[Sequence[str], Sequence[str]],
    data: Path | None,
    machine: Facts,
    journal: Journal,
) -> Cost:
    seconds: list[list[float]] = [[], []]
    for repeat in range(_REPEATS):
        for taken, overrides in zip(seconds, both, strict=True):
            asked = [*overrides, f"seed={repeat}"]
            taken.append(journal.measure(command(asked), partial(_median_round, asked, data)))
        _console.print(f"{name:<30} {seconds[0][-1]:.3f} s with DP, {seconds[1][-1]:.3f} s without")
    commands = (command(both[0]), command(both[1]))
    return Cost(name, work, commands, tuple(seconds[0]), tuple(seconds[1]), machine)


def _median_round(overrides: Sequence[str], data: Path | None) -> float:
    summary, _ = run(overrides, data, _LIMIT_S)
    return float(median(summary["seconds"]["rounds"]))


def keep(change: Callable[[Measured], Measured]) -> None:
    """Change what is kept, and write the page anew."""
    measured = change(read_measured(KEPT))
    write_measured(KEPT, measured)
    write_text(PAGE, to_markdown(measured))
    _console.print(f"written: {PAGE}")


def data_of(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options of ``parser`` with ``data``: an archive, a folder, or None to download."""
    default = os.environ.get("DATA") or None
    parser.add_argument("--data", type=Path, default=default, help="the data set, or its folder")
    options = parser.parse_args()
    if options.data is not None and not options.data.exists():
        parser.error(f"--data {options.data}: does not exist. Leave it out to download the data")
    return options


def program(
    about: str,
    measure: Callable[[Path | None, int], _T],
    change: Callable[[Measured, _T], Measured],
) -> None:
    """A program that measures a part of the page with ``--seeds`` from ``--data``.

    Exit status 1 if a run failed; earlier results stay.
    """
    options = data_of(with_seeds(argparse.ArgumentParser(description=about.splitlines()[0])))
    try:
        found = measure(options.data and options.data.resolve(), options.seeds)
    except ProcessFailed as error:
        sys.exit(f"error: {error}")
    keep(lambda measured: change(measured, found))


def main() -> None:
    """Exit status 1 where a run failed; what was there stays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cost", action="store_true", help="measure what DP costs in time")
    options = data_of(parser)
    data = options.data and options.data.resolve()
    try:
        if options.cost:
            costs = measure_costs(data)
            keep(lambda measured: measured.with_costs(costs))
        else:
            levels = measure_levels(data)
            keep(lambda measured: measured.with_levels(levels))
    except (ProcessFailed, BadInput) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
