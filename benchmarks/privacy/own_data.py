"""``python -m benchmarks.privacy.own_data``: the defaults of ``task=arrays`` beside tuned recipes.

The public sets are given as files of raw readings, with nothing declared but the path and the
privacy, and again as the tasks that carry their units and a recipe. Writes docs/own-data-table.md.
Each result is kept as soon as it is there; a set that is not asked for keeps its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.privacy.kept import KeptTable, arguments, spread, table, with_seeds
from benchmarks.privacy.runs import command, summaries

MOST_BELOW = 0.02
"""How far the default's mean accuracy may lie below the recipe's."""
_FILE = "own.npz"
_PRIVACIES = ("none", "window")


@dataclass(frozen=True)
class KnownSet:
    """A public set: its ``file`` in the data folder, columns by what they are for, and recipes.

    ``shape`` is that of a window, where the file has another. ``divided`` are overrides for both
    sides; ``recipes`` those of the tuned task, for each of none and window. Both sides have each
    ``every``-th window alone.
    """

    file: str
    columns: Mapping[str, str]
    shape: tuple[int, ...] | None
    divided: tuple[str, ...]
    recipes: Mapping[str, tuple[str, ...]]
    every: int = 1

    def write(self, data: Path, target: Path) -> None:
        """The set as a stranger's file: raw readings, labels, and a site or none."""
        arrays = self._part(data)
        made = {name: arrays[column] for name, column in self.columns.items()}
        if self.shape is not None:
            made["x"] = made["x"].reshape(-1, *self.shape)
        np.savez(target, **made)

    def root(self, data: Path, folder: Path) -> Path:
        """Where the task finds its data: ``data``, or the part of them, as a file in ``folder``."""
        if self.every == 1:
            return data
        np.savez(folder / self.file, **self._part(data))
        return folder / self.file

    def _part(self, data: Path) -> dict[str, Any]:
        arrays = np.load(data / self.file)
        return {column: arrays[column][:: self.every] for column in arrays.files}


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
        every=10,
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
        defaults = summaries(own, seeds)
        where = None if name == "wearables" else known.root(data, Path(folder))
        recipes = summaries(recipe, seeds, where)
    shown = ["task=arrays", f"data.path={name}.npz", *asked]
    return Row(
        name,
        privacy,
        defaults[0]["net"],
        tuple(summary["accuracy"] for summary in defaults),
        tuple(summary["accuracy"] for summary in recipes),
        (command(shown), command(recipe)),
    )


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    """The whole page."""
    heads = ["data", "privacy", "default chose", "default", "recipe", "difference, points"]
    heads += [f"at most {MOST_BELOW * 100:g} below"]
    commands = "\n".join(text for row in rows for text in row.commands)
    parts = [table(heads, map(_line, rows)), measured, f"```sh\n{commands}\n```\n"]
    return "\n\n".join([_INTRODUCTION, *parts])


_INTRODUCTION = """# Your own data by default

What `task=arrays` reaches with a file of raw readings, when nothing is given but the path and the
privacy, beside the recipe of the task that knows the same data: its units, its scale, its network
and its rates. Accuracy on the held-out windows, mean and standard deviation over seeds from 0;
`window` is epsilon 8 at delta 1e-5. `digits` are a tenth of MNIST's images, grey levels of 0 to
255 on twenty sites.

`python -m benchmarks.privacy.own_data` measures it and writes this page."""


def _line(row: Row) -> list[str]:
    reached = "reached" if row.difference >= -MOST_BELOW else "missed"
    figures = [spread(row.default), spread(row.recipe), f"{row.difference * 100:+.1f}", reached]
    return [f"`{row.name}`", row.privacy, f"`{row.net}`", *figures]


TABLE = KeptTable("own_data", "own-data-table", SETS, ("name", "privacy"), Row, to_markdown)


def main() -> None:
    """Exit status 1 where a run failed; what was measured stays."""
    options = with_seeds(arguments(__doc__, SETS)).parse_args()
    asked = [(name, privacy) for name in options.only for privacy in _PRIVACIES]
    TABLE.fill((measure(*one, options.data.resolve(), options.seeds) for one in asked), _line)


if __name__ == "__main__":
    main()
