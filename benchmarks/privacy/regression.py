"""``python -m benchmarks.privacy.regression``: models of numbers beside centralised baselines.

Two public sets that packages ship, as files with nothing declared but the range of the numbers:
federated without DP and at epsilon 8, beside least squares and gradient boosting with all windows
in one place, and beside a guess. Writes docs/numbers-table.md.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, QuantileRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks.privacy.kept import KeptTable, arguments, spread, table, with_seeds
from benchmarks.privacy.runs import summaries, world_of
from fl_common.vocabulary import NetSpec
from models.nets import build_net

QUANTILE = 0.9
_PRIVACIES = ("none", "window")
_FEATURES = NetSpec("models.nets.scale_free.ScaleFree", {"hidden": []})
_Pairs = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class NumberSet:
    """A public set: how its file is made, and what is declared of it."""

    write: Callable[[Path], None]
    overrides: tuple[str, ...]
    about: str


def _diabetes(target: Path) -> None:
    found = load_diabetes(scaled=False)
    np.savez(target, x=found.data, y=found.target)


def _motion(target: Path) -> None:
    """Windows of the smartwatch, and the mean speed of turning in each person's next one."""
    world = world_of(["task=wearables"])
    parts = [world.windows(index).values for index in range(len(world.sites))]
    speeds = [np.linalg.norm(part[:, :, 3:], axis=2).mean(1) for part in parts]
    sites = np.repeat(np.arange(len(parts)), [len(part) - 1 for part in parts])
    x, y = np.concatenate([p[:-1] for p in parts]), np.concatenate([s[1:] for s in speeds])
    np.savez(target, x=x, y=y, site=sites)


SETS: Mapping[str, NumberSet] = {
    "diabetes": NumberSet(
        _diabetes,
        ("task.range=[0,400]", "partition=iid", "sites=5"),
        "442 persons, ten measurements each, and the progression of their diabetes after a year"
        " (Efron et al. 2004), of scikit-learn; divided among 5 sites at random",
    ),
    "motion": NumberSet(
        _motion,
        ("task.range=[0,8]", "task.unit=rad/s", "world.windows_per_reading=2"),
        "2.56 s of a smartwatch, and how fast it turns in the next such window, of the package"
        " seglearn; 10 persons are the sites, and the last fifth of each is the test",
    ),
}


@dataclass(frozen=True)
class Row:
    """A line of the table: the measures of each run of it, from seed 0; a baseline has one."""

    name: str
    quantile: float | None
    way: str
    measures: tuple[Mapping[str, float], ...]


def measure(name: str, quantile: float | None, seeds: int) -> list[Row]:
    """All lines of one set."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "own.npz")
        SETS[name].write(file)
        asked = _asked(name, f"data.path={file}", quantile)
        rows = [Row(name, quantile, way, (m,)) for way, m in _centralised(asked, quantile)]
        for privacy in _PRIVACIES:
            runs = summaries((*asked, f"privacy={privacy}"), seeds)
            measures = tuple(each["measures"] for each in runs)
            rows.append(Row(name, quantile, f"federated, {_told(privacy)}", measures))
    return rows


def _asked(name: str, path: str, quantile: float | None) -> tuple[str, ...]:
    wanted = () if quantile is None else (f"task.quantile={quantile}",)
    return ("task=arrays", path, "task.kind=regression", *SETS[name].overrides, *wanted)


def _told(privacy: str) -> str:
    return "no DP" if privacy == "none" else "epsilon 8"


def _centralised(
    asked: Sequence[str], quantile: float | None
) -> list[tuple[str, Mapping[str, float]]]:
    """A guess, and what learns from all training windows, on the features of ``net=scale_free``."""
    world = world_of(asked)
    sites = [world.windows(index) for index in range(len(world.sites))]
    net = build_net(_FEATURES, world.task)

    def rows_of(values: NDArray[Any]) -> NDArray[Any]:
        with torch.no_grad():
            return net.front(torch.from_numpy(values)).double().numpy()  # type: ignore[no-any-return]

    scaler = StandardScaler().fit(train := rows_of(np.concatenate([s.values for s in sites])))
    labels_N = np.concatenate([site.labels for site in sites])
    test = world.test().windows
    guess = np.median(labels_N) if quantile is None else np.quantile(labels_N, quantile)
    answers = {"a guess": np.full(len(test.labels), guess)}
    learners: Mapping[str, Any] = {
        "least squares": LinearRegression(),
        "gradient boosting": HistGradientBoostingRegressor(random_state=0),
    }
    if quantile is not None:
        learners = {
            "linear quantile regression": QuantileRegressor(quantile=quantile, alpha=1e-3),
            "gradient boosting": HistGradientBoostingRegressor(
                loss="quantile", quantile=quantile, random_state=0
            ),
        }
    for way, learner in learners.items():
        learner.fit(scaler.transform(train), labels_N)
        answers[f"in one place: {way}"] = learner.predict(scaler.transform(rows_of(test.values)))
    return [(way, _measured((test.labels, said), quantile)) for way, said in answers.items()]


def _measured(pairs: _Pairs, quantile: float | None) -> Mapping[str, float]:
    truth_N, said_N = pairs
    error_N = truth_N - said_N
    mae, share = float(np.abs(error_N).mean()), quantile or 0.5
    if quantile is not None:
        pinball_N = np.maximum(share * error_N, (share - 1) * error_N)
        covered = float((truth_N <= said_N).mean())
        return {"pinball": float(pinball_N.mean()), "coverage": covered, "mae": mae}
    squared = float((error_N**2).mean())
    return {"mae": mae, "rmse": squared**0.5, "r2": 1 - squared / float(truth_N.var())}


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    """The whole page."""
    sets = "\n".join(f"- `{name}`: {each.about}." for name, each in SETS.items())
    means = _table([row for row in rows if row.quantile is None], ("mae", "rmse", "r2"))
    nine = _table([row for row in rows if row.quantile is not None], ("pinball", "coverage"))
    commands = "\n".join(
        f"python -m simulate {shlex.join(_asked(name, f'data.path={name}.npz', None))}"
        for name in SETS
    )
    return _PAGE.format(
        sets=sets, means=means, nine=nine, share=QUANTILE, commands=commands, measured=measured
    )


_PAGE = """# Models of numbers

[`task.kind=regression`](reference/kinds.md#numbers) on public data that packages ship, with nothing
declared but the range of the numbers, beside what learns from all windows in one place, and beside
a guess: one number for all windows. Mean and standard deviation over seeds from 0; epsilon 8 is for
each window, at delta 1e-5.

{sets}

The baselines have the features of `net=scale_free`, standardised by all training windows, and no
privacy.

## The mean

{means}

## What {share:.0%} do not exceed

{nine}

`python -m benchmarks.privacy.regression` measures it and writes this page.

{measured}

```sh
{commands}
```
"""
_HEADS = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "pinball": "mean pinball loss",
    "coverage": f"share at or below the answer (wanted: {QUANTILE:g})",
}


def _table(rows: Sequence[Row], names: Sequence[str]) -> str:
    heads = ["data", "way", *(_HEADS[name] for name in names)]
    return table(heads, (_line(row, names) for row in rows))


def _line(row: Row, names: Sequence[str]) -> list[str]:
    values = [[measures[name] for measures in row.measures] for name in names]
    return [f"`{row.name}`", row.way, *(spread(each, ".3g", ".2g") for each in values)]


TABLE = KeptTable(
    "regression", "numbers-table", SETS, ("name", "quantile", "way"), Row, to_markdown
)


def main() -> None:
    """Exit status 1 where a run failed; what was measured stays."""
    options = with_seeds(arguments(__doc__, SETS)).parse_args()
    asked = [(name, quantile) for name in options.only for quantile in (None, QUANTILE)]
    rows = (row for one in asked for row in measure(*one, options.seeds))
    TABLE.fill(rows, lambda row: _line(row, [*row.measures[0]]))


if __name__ == "__main__":
    main()
