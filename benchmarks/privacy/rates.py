"""``python -m benchmarks.privacy.rates``: the rule of learning rates beside the best of a grid.

Of the public sets only what their tasks train on is used: raw readings in a file, with the last
fifth of each site's rows held out. Writes docs/rates-table.md. Each line is kept as soon as it is
there.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.datasets import load_breast_cancer, load_diabetes

from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.machine import facts
from fl_server.build import build_plan
from simulate import configure, run
from simulate.build import fleet_facts
from simulate.configuration.composition import resolved
from simulate.job.preparation import yaml_of
from simulate.report.results import write_text
from simulate.world.build import open_world

KEPT = ROOT / "benchmarks" / "rates.json"
PAGE = ROOT / "docs" / "rates-table.md"
FACTORS = (1 / 3, 3.0)
"""Of the rule's rate: the rest of the grid."""
_FORMER = {"none": 0.05, "window": 0.6}
"""One rate for all."""
_DIGITS = 6000
_console = Console(highlight=False, soft_wrap=True)


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
        found = (_run((*given, f"seed={seed}")) for seed in range(known.seeds))
        return tuple(float(each["measures"][known.measure]) for each in found)

    rate = _rule((*asked, f"privacy={privacy}"))
    measured = {f"{rate:.3g}": runs("auto")}
    for other in (*(f"{rate * factor:.3g}" for factor in FACTORS), f"{_FORMER[privacy]:.3g}"):
        if other not in measured:
            measured[other] = runs(other)
    return Row(name, privacy, rate, measured)


def _run(asked: Sequence[str]) -> Mapping[str, Any]:
    with TemporaryDirectory() as home:
        return run(configure(*asked), folder=Path(home, "run")).summary


def _rule(asked: Sequence[str]) -> float:
    """What the rule chooses."""
    config = resolved(configure(*asked))
    world = open_world(yaml_of(config["world"]))
    return build_plan(config, "plan", world.task, fleet_facts(world)).training.learning_rate


def to_markdown(rows: Sequence[Row], machine: Mapping[str, object]) -> str:
    """The whole page."""
    heads = ["data", "privacy", "measure", "rate of the rule", "reached"]
    heads += ["best rate of the grid", "reached", "one rate for all", "reached"]
    lines = "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * 9, *map(_line, rows)])
    return _PAGE.format(table=lines, digits=_DIGITS, **machine)


_PAGE = """# Learning rates by the rule

[`training.learning_rate=auto`](reference/nets.md#rates) beside the best of a grid, a third
of it and three times as much among them, and beside one rate for all data. `window` is epsilon 8.
Only the training part of each public set is used: raw readings, nothing declared, with the last
fifth of each site held out. `digits`, where it is measured, are {digits} images of MNIST on ten
sites; the other files are divided by person, or among five sites. Mean and standard deviation over
seeds from 0; `accuracy` is better where it is larger, `mae` where it is smaller.

{table}

`python -m benchmarks.privacy.rates` measures it and writes this page.

Machine: {processor}, commit {commit}.
"""


def _line(row: Row) -> list[str]:
    best, former = row.best(), f"{_FORMER[row.privacy]:.3g}"
    figures = [f"{row.rate:.3g}", best, former]
    told = [text for rate in figures for text in (rate, _spread(row.measured[rate]))]
    return [f"`{row.name}`", row.privacy, SETS[row.name].measure, *told]


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{fmean(values):.3g}{deviation}"


def _read(path: Path) -> dict[tuple[str, str], Row]:
    kept = json.loads(path.read_text("utf-8")) if path.exists() else []
    rows = [
        Row(**{**each, "measured": {k: tuple(v) for k, v in each["measured"].items()}})
        for each in kept
    ]
    return {(row.name, row.privacy): row for row in rows}


def main() -> None:
    """Measure, keep, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", nargs="*", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    for name in options.only:
        with TemporaryDirectory() as folder:
            file = Path(folder, "own.npz")
            SETS[name].write(options.data.resolve(), file)
            for privacy in _FORMER:
                rows = {**_read(KEPT), (name, privacy): measure(name, privacy, file)}
                ordered = [rows[n, p] for n in SETS for p in _FORMER if (n, p) in rows]
                write_text(KEPT, json.dumps([asdict(each) for each in ordered], indent=1) + "\n")
                write_text(PAGE, to_markdown(ordered, facts()))
                _console.print(" | ".join(_line(rows[name, privacy])))


if __name__ == "__main__":
    main()
