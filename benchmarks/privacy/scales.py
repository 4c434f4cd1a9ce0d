"""``python -m benchmarks.privacy.scales``: what a scale is worth, declared, public or by a survey.

Vectors in their own units, one made-up set with large offsets and sets of scikit-learn. Writes
docs/scale-table.md; each line is kept as soon as it is there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.machine import facts
from simulate import configure, run
from simulate.report.results import write_text

KEPT = ROOT / "benchmarks" / "scales.json"
PAGE = ROOT / "docs" / "scale-table.md"
SEEDS = 3
_PRIVACIES = ("none", "window")
_console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class ScaleSet:
    """A set: how its file is written, what is declared, its measure, and ranges where known."""

    write: Callable[[Path], None]
    overrides: tuple[str, ...]
    measure: str = "balanced_accuracy"
    ranges: Callable[[], str] | None = None


def _of(load: Callable[..., Any]) -> Callable[[Path], None]:
    def write(target: Path) -> None:
        x, y = load(return_X_y=True)
        np.savez(target, x=x, y=y)

    return write


def _diabetes(target: Path) -> None:
    x, y = load_diabetes(return_X_y=True, scaled=False)
    np.savez(target, x=x, y=y)


def _sensors() -> tuple[np.ndarray, np.ndarray]:
    """Offsets and spreads of 24 made-up sensors."""
    generator = np.random.default_rng(0)
    return 10 ** generator.uniform(0, 4, 24), 10 ** generator.uniform(-1.5, 1.5, 24)


def _engines(target: Path) -> None:
    offset_C, spread_C = _sensors()
    generator = np.random.default_rng(1)
    label_N = generator.integers(0, 4, 12_000)
    near_NC = 0.7 * generator.standard_normal((4, 24))[label_N]
    near_NC = near_NC + generator.standard_normal((12_000, 24))
    np.savez(target, x=offset_C + spread_C * near_NC, y=label_N)


def _ranges() -> str:
    pairs = zip(*((_sensors()[0] + sign * 4 * _sensors()[1]) for sign in (-1, 1)), strict=True)
    return f"[{','.join(f'[{low:.4f},{high:.4f}]' for low, high in pairs)}]"


def _divided(sites: int) -> tuple[str, ...]:
    return ("partition=iid", f"sites={sites}")


SETS: Mapping[str, ScaleSet] = {
    "engines": ScaleSet(_engines, _divided(50), ranges=_ranges),
    "breast cancer": ScaleSet(_of(load_breast_cancer), _divided(5)),
    "wine": ScaleSet(_of(load_wine), _divided(3)),
    "digits": ScaleSet(_of(load_digits), _divided(10)),
    "diabetes": ScaleSet(
        _diabetes, ("task.kind=regression", "task.range=[0,400]", *_divided(5)), "mae"
    ),
}


@dataclass(frozen=True)
class Row:
    """A set under one privacy: the measures of each scale's runs, and the channels it found."""

    name: str
    privacy: str
    measured: Mapping[str, tuple[float, ...]]
    found: str


def measure(name: str, privacy: str, file: Path) -> Row:
    """All scales of one line."""
    known, measured, found = SETS[name], dict[str, tuple[float, ...]](), list[str]()
    scales = {"none": (), "private": ("world.scale=private",)}
    if known.ranges is not None:
        scales["public"] = ("world.scale=public", f"world.range={known.ranges()}")
    for scale, given in scales.items():
        values = []
        for seed in range(SEEDS):
            asked = ("task=arrays", f"data.path={file}", *known.overrides, *given)
            with TemporaryDirectory() as home:
                config = configure(*asked, f"privacy={privacy}", f"seed={seed}")
                summary = run(config, folder=Path(home, "run")).summary
            values.append(float(summary["measures"][known.measure]))
            if scale == "private":
                told = summary["scale"]
                found.append(f"{told['channels_found']} ({told['channels_noisy']})")
        measured[scale] = tuple(values)
    return Row(name, privacy, measured, ", ".join(found))


def to_markdown(rows: Sequence[Row], machine: Mapping[str, object]) -> str:
    """The whole page."""
    heads = ["data", "privacy", "measure", "no scale", "`private`", "`public`"]
    heads += ["channels found (noisy), by seed"]
    table = [heads, ["---"] * len(heads), *map(_line, rows)]
    lines = "\n".join(f"| {' | '.join(line)} |" for line in table)
    return _PAGE.format(table=lines, **machine)


_PAGE = """# What a scale is worth

[`world.scale`](reference/data.md#the-scale) for vectors, with `net=auto` and nothing else declared:
`engines` are 12,000 made-up vectors of 24 sensors with offsets of 1 to 10,000 and spreads of 0.03
to 30, in four classes on 50 sites; the others are of scikit-learn, divided at random: breast cancer
(569 vectors of 30, 5 sites), wine (178 of 13, 3), digits (1,797 of 64, 10), diabetes (442 of 10, 5,
numbers). Mean and standard deviation over seeds from 0; `window` is epsilon 8, of which a survey
takes 0.5. A larger balanced accuracy and a smaller mean absolute error (`mae`) are better.

{table}

`python -m benchmarks.privacy.scales` measures it and writes this page.

Machine: {processor}, commit {commit}.
"""


def _line(row: Row) -> list[str]:
    figures = [_spread(row.measured.get(scale, ())) for scale in ("none", "private", "public")]
    return [f"`{row.name}`", row.privacy, SETS[row.name].measure, *figures, row.found]


def _spread(values: Sequence[float]) -> str:
    return f"{fmean(values):.3g} ± {stdev(values):.2g}" if values else ""


def main() -> None:
    """Measure, keep, write."""
    rows: list[Row] = []
    for name, known in SETS.items():
        with TemporaryDirectory() as folder:
            known.write(Path(folder, "own.npz"))
            for privacy in _PRIVACIES:
                rows.append(measure(name, privacy, Path(folder, "own.npz")))
                write_text(KEPT, json.dumps([asdict(each) for each in rows], indent=1) + "\n")
                write_text(PAGE, to_markdown(rows, facts()))
                _console.print(" | ".join(_line(rows[-1])))


if __name__ == "__main__":
    main()
