"""``make bench-compression``: bytes and accuracy of compressed updates on UCI HAR, as a table.

Each run is one of the command line's, at several seeds, without differential privacy and with it.
Bytes are those of all messages from sites, their fixed part included. The accuracy of a run is the
mean of its last five rounds, which fluctuate by more than the required differences.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.measuring.measure import ProcessFailed, run_process
from benchmarks.privacy.runs import command, data_override
from benchmarks.privacy.table import data_of

SEEDS = (0, 1, 2, 3, 4)
LAST = 5
_LIMIT_S = 600.0
_ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
_PLAIN = ("task=activity",)
_WAYS = {
    "none": _PLAIN,
    "int8": (*_PLAIN, "compression=int8"),
    "top-k": ("experiment=activity_topk",),
}
SETTINGS = ("privacy=none", "privacy=window")
ASKED = {"int8": (3.9, 0.5), "top-k": (8.0, 1.0)}
"""How many times fewer bytes at least, and how many points of accuracy fewer at most."""
_HEAD = "| run | bytes, all rounds | fewer by | accuracy | points | asked | reached |"

_console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Row:
    """The runs of one command, a value for each seed."""

    way: str
    command: str
    bytes_up: Sequence[int]
    accuracies: Sequence[float]


def measure(setting: str, seeds: Sequence[int], data: Path | None) -> Iterator[Row]:
    """A row for each kind of compression; the first is without.

    Raises:
        ProcessFailed: a run failed.
    """
    for way, overrides in _WAYS.items():
        asked = [*overrides, setting]
        results = [_run([*asked, f"seed={seed}"], data) for seed in seeds]
        sent, accuracies = zip(*results, strict=True)
        yield Row(way, command(asked), sent, accuracies)


def _run(overrides: Sequence[str], data: Path | None) -> tuple[int, float]:
    """Bytes of all messages from sites, and the mean accuracy of the last rounds."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        asked = [*overrides, *data_override(data), f"hydra.run.dir={folder}/run"]
        line = [sys.executable, "-m", "simulate", *asked]
        run_process(line, _ENVIRONMENT, folder / "log.txt", _LIMIT_S)
        lines = (folder / "run" / "rounds.jsonl").read_text("utf-8").splitlines()
    rounds = [json.loads(line) for line in lines]
    return sum(row["bytes_up"] for row in rounds), mean(row["accuracy"] for row in rounds[-LAST:])


def to_line(row: Row, plain: Row) -> str:
    """``row`` as a line of the table, beside the runs without compression."""
    spread = f" ± {stdev(row.accuracies):.4f}" if len(row.accuracies) > 1 else ""
    cells = [f"`{row.command}`", f"{mean(row.bytes_up):,.0f}".replace(",", " ")]
    accuracy = f"{mean(row.accuracies):.4f}{spread}"
    if row is plain:
        return _joined([*cells, "", accuracy, "", "", ""])
    fewer = mean(plain.bytes_up) / mean(row.bytes_up)
    points = 100 * (mean(row.accuracies) - mean(plain.accuracies))
    least, most = ASKED[row.way]
    reached = "yes" if fewer >= least and points >= -most else "**no**"
    asked = f"{least:g} and {-most:g}"
    return _joined([*cells, f"{fewer:.2f}", accuracy, f"{points:+.2f}", asked, reached])


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, line by line as it is measured; exit status 1 where a run failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="runs of each line")
    options = data_of(parser)
    data = options.data and options.data.resolve()
    seeds = range(options.seeds)
    _console.print(f"{options.seeds} seeds, load {os.getloadavg()[0]:.1f}")
    _console.print(_HEAD)
    _console.print(_joined(["---"] * (_HEAD.count("|") - 1)))
    try:
        for setting in SETTINGS:
            plain: Row | None = None
            for row in measure(setting, seeds, data):
                plain = plain or row
                _console.print(to_line(row, plain))
    except ProcessFailed as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
