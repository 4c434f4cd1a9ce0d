"""``python -m benchmarks.privacy.scales``: what a scale is worth, declared, public or by a survey.

Vectors in their own units, one made-up set with large offsets and sets of scikit-learn. Writes
docs/scale-table.md; each line is kept as soon as it is there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from benchmarks.privacy.kept import KeptTable, arguments, spread, table, with_seeds
from benchmarks.privacy.runs import summaries

_PRIVACIES = ("none", "window")


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


def measure(name: str, privacy: str, file: Path, seeds: int) -> Row:
    """All scales of one line."""
    known, measured, found = SETS[name], dict[str, tuple[float, ...]](), list[str]()
    scales = {"none": (), "private": ("world.scale=private",)}
    if known.ranges is not None:
        scales["public"] = ("world.scale=public", f"world.range={known.ranges()}")
    asked = ("task=arrays", f"data.path={file}", *known.overrides, f"privacy={privacy}")
    for scale, given in scales.items():
        runs = summaries((*asked, *given), seeds)
        measured[scale] = tuple(float(each["measures"][known.measure]) for each in runs)
        if scale == "private":
            found = [_channels(each["scale"]) for each in runs]
    return Row(name, privacy, measured, ", ".join(found))


def _channels(told: Mapping[str, Any]) -> str:
    return f"{told['channels_found']} ({told['channels_noisy']})"


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    """The whole page."""
    heads = ["data", "privacy", "measure", "no scale", "`private`", "`public`"]
    heads += ["channels found (noisy), by seed"]
    return _PAGE.format(table=table(heads, map(_line, rows)), measured=measured)


_PAGE = """# What a scale is worth

[`world.scale`](reference/data.md#the-scale) for vectors, with `net=auto` and nothing else declared:
`engines` are 12,000 made-up vectors of 24 sensors with offsets of 1 to 10,000 and spreads of 0.03
to 30, in four classes on 50 sites; the others are of scikit-learn, divided at random: breast cancer
(569 vectors of 30, 5 sites), wine (178 of 13, 3), digits (1,797 of 64, 10), diabetes (442 of 10, 5,
numbers). Mean and standard deviation over seeds from 0; `window` is epsilon 8, of which a survey
takes 0.5. A larger balanced accuracy and a smaller mean absolute error (`mae`) are better.

{table}

`python -m benchmarks.privacy.scales` measures it and writes this page.

{measured}
"""


def _line(row: Row) -> list[str]:
    figures = [_told(row.measured.get(scale, ())) for scale in ("none", "private", "public")]
    return [f"`{row.name}`", row.privacy, SETS[row.name].measure, *figures, row.found]


def _told(values: Sequence[float]) -> str:
    return spread(values, ".3g", ".2g") if values else ""


TABLE = KeptTable("scales", "scale-table", SETS, ("name", "privacy"), Row, to_markdown)


def _rows(names: Sequence[str], seeds: int) -> Iterator[Row]:
    for name in names:
        with TemporaryDirectory() as folder:
            file = Path(folder, "own.npz")
            SETS[name].write(file)
            yield from (measure(name, privacy, file, seeds) for privacy in _PRIVACIES)


def main() -> None:
    """Exit status 1 where a run failed; what was measured stays."""
    options = with_seeds(arguments(__doc__, SETS)).parse_args()
    TABLE.fill(_rows(options.only, options.seeds), _line)


if __name__ == "__main__":
    main()
