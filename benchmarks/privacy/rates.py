"""``python -m benchmarks.privacy.rates``: the rule of learning rates beside the best of a grid.

Of the public sets only what their tasks train on is used: raw readings in a file, with the last
fifth of each site's rows held out. Writes docs/rates-table.md. Each line is kept as soon as it is
there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes

from benchmarks.privacy.kept import KeptTable, arguments, spread, table
from benchmarks.privacy.runs import plan_of, summaries

FACTORS = (1 / 3, 3.0)
"""Of the rule's rate: the rest of the grid."""
_FORMER = {"none": 0.05, "window": 0.6}
"""One rate for all."""
_DIGITS = 6000


@dataclass(frozen=True)
class RateSet:
    """A public set: how its file is written, what is declared, and runs of each setting."""

    write: Callable[[Path, Path], None]
    overrides: tuple[str, ...]
    seeds: int
    measure: str = "accuracy"


def _recordings(file: str, split: str) -> Callable[[Path, Path], None]:
    def write(data: Path, target: Path) -> None:
        arrays = np.load(data / file)
        own = arrays[split] == 0
        np.savez(target, x=arrays["x"][own], y=arrays["y"][own], site=arrays["subject"][own])

    return write


def _digits(data: Path, target: Path) -> None:
    arrays = np.load(data / "mnist.npz")
    own = np.flatnonzero(arrays["split"] == 0)[:_DIGITS]
    np.savez(target, x=arrays["x"][own].reshape(-1, 1, 28, 28), y=arrays["y"][own])


def _cancer(data: Path, target: Path) -> None:
    found = load_breast_cancer()
    np.savez(target, x=found.data, y=found.target)


def _diabetes(data: Path, target: Path) -> None:
    found = load_diabetes(scaled=False)
    np.savez(target, x=found.data, y=found.target)


_FIVE = ("partition=iid", "sites=5")
SETS: Mapping[str, RateSet] = {
    "wearables": RateSet(_recordings("watch_shoulder.npz", "split_local"), (), 3),
    "activity": RateSet(_recordings("ucihar.npz", "split"), (), 3),
    "breast cancer": RateSet(_cancer, _FIVE, 3),
    "diabetes": RateSet(
        _diabetes, ("task.kind=regression", "task.range=[0,400]", *_FIVE), 3, "mae"
    ),
    "digits": RateSet(_digits, ("partition=iid", "sites=10"), 1),
}


@dataclass(frozen=True)
class Row:
    """One set and privacy: the rule's rate, and the measures of the runs at each rate."""

    name: str
    privacy: str
    rate: float
    measured: Mapping[str, tuple[float, ...]]

    def best(self) -> str:
        """The rate of the grid with the best mean."""
        sign = -1 if SETS[self.name].measure == "mae" else 1
        grid = [f"{self.rate * factor:.3g}" for factor in (1.0, *FACTORS)]
        return max(grid, key=lambda rate: sign * fmean(self.measured[rate]))


def measure(name: str, privacy: str, file: Path) -> Row:
    """All rates of one line of the table."""
    known, asked = SETS[name], ("task=arrays", f"data.path={file}", *SETS[name].overrides)

    def runs(rate: str) -> tuple[float, ...]:
        given = (*asked, f"privacy={privacy}", f"training.learning_rate={rate}")
        found = summaries(given, known.seeds)
        return tuple(float(each["measures"][known.measure]) for each in found)

    rate = plan_of((*asked, f"privacy={privacy}")).training.learning_rate
    measured = {f"{rate:.3g}": runs("auto")}
    for other in (*(f"{rate * factor:.3g}" for factor in FACTORS), f"{_FORMER[privacy]:.3g}"):
        if other not in measured:
            measured[other] = runs(other)
    return Row(name, privacy, rate, measured)


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    """The whole page."""
    heads = ["data", "privacy", "measure", "rate of the rule", "reached"]
    heads += ["best rate of the grid", "reached", "one rate for all", "reached"]
    return _PAGE.format(table=table(heads, map(_line, rows)), digits=_DIGITS, measured=measured)


_PAGE = """# Learning rates by the rule

[`training.learning_rate=auto`](reference/nets.md#rates) beside the best of a grid, a third
of it and three times as much among them, and beside one rate for all data. `window` is epsilon 8.
Only the training part of each public set is used: raw readings, nothing declared, with the last
fifth of each site held out. `digits`, where it is measured, are {digits} images of MNIST on ten
sites; the other files are divided by person, or among five sites. Mean and standard deviation over
seeds from 0; `accuracy` is better where it is larger, `mae` where it is smaller.

{table}

`python -m benchmarks.privacy.rates` measures it and writes this page.

{measured}
"""


def _line(row: Row) -> list[str]:
    best, former = row.best(), f"{_FORMER[row.privacy]:.3g}"
    figures = [f"{row.rate:.3g}", best, former]
    told = [text for rate in figures for text in (rate, spread(row.measured[rate], ".3g", ".2g"))]
    return [f"`{row.name}`", row.privacy, SETS[row.name].measure, *told]


TABLE = KeptTable("rates", "rates-table", SETS, ("name", "privacy"), Row, to_markdown)


def _rows(names: Sequence[str], data: Path) -> Iterator[Row]:
    for name in names:
        with TemporaryDirectory() as folder:
            file = Path(folder, "own.npz")
            SETS[name].write(data, file)
            yield from (measure(name, privacy, file) for privacy in _FORMER)


def main() -> None:
    """Exit status 1 where a run failed; what was measured stays."""
    options = arguments(__doc__, SETS).parse_args()
    TABLE.fill(_rows(options.only, options.data.resolve()), _line)


if __name__ == "__main__":
    main()
