"""``python -m benchmarks.privacy.own_data``: the defaults of ``task=arrays`` beside tuned recipes.

The public sets are given as files of raw readings, with nothing declared but the path and the
privacy, and again as the tasks that carry their units and a recipe. Writes docs/own-data-table.md.
Each result is kept as soon as it is there; a set that is not asked for keeps its own.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.machine import facts
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy.runs import command, run
from simulate.report.results import write_text

KEPT = ROOT / "benchmarks" / "own_data.json"
PAGE = ROOT / "docs" / "own-data-table.md"
MOST_BELOW = 0.02
"""How far the default's mean accuracy may lie below the recipe's."""
_LIMIT_S = 3600.0
_console = Console(highlight=False, soft_wrap=True)
_FILE = "own.npz"
_PRIVACIES = ("none", "window")


@dataclass(frozen=True)
class KnownSet:
    """A public set: its ``file`` in the data folder, columns by what they are for, and recipes.

    ``shape`` is that of a window, where the file has another. ``divided`` are overrides for both
    sides; ``recipes`` those of the tuned task, for each of none and window.
    """

    file: str
    columns: Mapping[str, str]
    shape: tuple[int, ...] | None
    divided: tuple[str, ...]
    recipes: Mapping[str, tuple[str, ...]]

    def write(self, data: Path, target: Path) -> None:
        """The set as a stranger's file: raw readings, labels, and a site or none."""
        arrays = np.load(data / self.file)
        made = {name: arrays[column] for name, column in self.columns.items()}
        if self.shape is not None:
            made["x"] = made["x"].reshape(-1, *self.shape)
        np.savez(target, **made)


SETS: Mapping[str, KnownSet] = {
    "wearables": KnownSet(
        "watch_shoulder.npz",
        {"x": "x", "y": "y", "site": "subject", "split": "split_local"},
        None,
        (),
        dict.fromkeys(_PRIVACIES, ("task=wearables",)),
    ),
    "activity": KnownSet(
        "ucihar.npz",
        {"x": "x", "y": "y", "site": "subject", "split": "split"},
        None,
        (),
        {"none": ("experiment=har_without_privacy",), "window": ("experiment=har_private",)},
    ),
    "digits": KnownSet(
        "mnist.npz",
        {"x": "x", "y": "y", "split": "split"},
        (1, 28, 28),
        ("partition=iid", "sites=20"),
        dict.fromkeys(_PRIVACIES, ("task=digits",)),
    ),
}


@dataclass(frozen=True)
class Row:
    """Accuracies of the default and of the recipe, a run each, and the overrides of both."""

    name: str
    privacy: str
    net: str
    default: tuple[float, ...]
    recipe: tuple[float, ...]
    commands: tuple[str, str]

    @property
    def difference(self) -> float:
        """Of the means: above 0 where the default is better."""
        return fmean(self.default) - fmean(self.recipe)


def measure(name: str, privacy: str, data: Path, seeds: int) -> Row:
    """Both sides of one line of the table.

    Raises:
        ProcessFailed: a run failed.
    """
    known = SETS[name]
    asked = [f"privacy={privacy}", *known.divided]
    recipe = [*known.recipes[privacy], *asked]
    with TemporaryDirectory() as folder:
        known.write(data, Path(folder, _FILE))
        own = ["task=arrays", f"data.path={Path(folder, _FILE)}", *asked]
        defaults = [run([*own, f"seed={seed}"], None, _LIMIT_S)[0] for seed in range(seeds)]
    where = None if name == "wearables" else data
    recipes = [run([*recipe, f"seed={seed}"], where, _LIMIT_S)[0] for seed in range(seeds)]
    shown = ["task=arrays", f"data.path={name}.npz", *asked]
    return Row(
        name,
        privacy,
        defaults[0]["net"],
        tuple(summary["accuracy"] for summary in defaults),
        tuple(summary["accuracy"] for summary in recipes),
        (command(shown), command(recipe)),
    )


def to_markdown(rows: Sequence[Row], machine: Mapping[str, object]) -> str:
    """The whole page."""
    heads = ["data", "privacy", "default chose", "default", "recipe", "difference, points"]
    heads += [f"at most {MOST_BELOW * 100:g} below"]
    lines = [heads, ["---"] * len(heads), *map(_line, rows)]
    commands = "\n".join(text for row in rows for text in row.commands)
    return "\n".join(
        [
            _INTRODUCTION,
            *(f"| {' | '.join(line)} |" for line in lines),
            f"\nMachine: {machine['processor']}, commit {machine['commit']}.\n",
            f"```sh\n{commands}\n```\n",
        ]
    )


_INTRODUCTION = """# Your own data by default

What `task=arrays` reaches with a file of raw readings, when nothing is given but the path and the
privacy, beside the recipe of the task that knows the same data: its units, its scale, its network
and its rates. Accuracy on the held-out windows, mean and standard deviation over seeds from 0;
`window` is epsilon 8 at delta 1e-5.

`python -m benchmarks.privacy.own_data` measures it and writes this page.
"""


def _line(row: Row) -> list[str]:
    reached = "reached" if row.difference >= -MOST_BELOW else "missed"
    figures = [_spread(row.default), _spread(row.recipe), f"{row.difference * 100:+.1f}", reached]
    return [f"`{row.name}`", row.privacy, f"`{row.net}`", *figures]


def _spread(accuracies: Sequence[float]) -> str:
    deviation = f" ± {stdev(accuracies):.3f}" if len(accuracies) > 1 else ""
    return f"{fmean(accuracies):.3f}{deviation}"


def read_rows(path: Path) -> dict[tuple[str, str], Row]:
    """The rows kept at ``path``, by set and privacy; none where there is no file."""
    kept = json.loads(path.read_text("utf-8")) if path.exists() else []
    rows = [_row(fields) for fields in kept]
    return {(row.name, row.privacy): row for row in rows}


def _row(fields: Mapping[str, Any]) -> Row:
    lists = ("default", "recipe", "commands")
    return Row(**{**fields, **{name: tuple(fields[name]) for name in lists}})


def main() -> None:
    """Exit status 1 where a run failed; what was measured stays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=3, help="how many runs of each, from seed 0")
    parser.add_argument("--only", nargs="*", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    for name in options.only:
        for privacy in _PRIVACIES:
            try:
                row = measure(name, privacy, options.data.resolve(), options.seeds)
            except ProcessFailed as error:
                sys.exit(f"error: {error}")
            rows = {**read_rows(KEPT), (name, privacy): row}
            ordered = [rows[n, p] for n in SETS for p in _PRIVACIES if (n, p) in rows]
            write_text(KEPT, json.dumps([asdict(each) for each in ordered], indent=1) + "\n")
            write_text(PAGE, to_markdown(ordered, facts()))
            _console.print(" | ".join(_line(row)))


if __name__ == "__main__":
    main()
