"""``python -m benchmarks.privacy.forecasts``: forecasts by federated runs, and by what they rival.

The public sets of motion are given as files of raw readings without labels. Beside the federated
runs stand the same net with all data in one place, least squares with all data in one place
(scikit-learn), and the last reading, whose error is 1. Writes docs/forecast-table.md.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from sklearn.linear_model import LinearRegression

from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.machine import facts
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy.runs import command, run
from fl_common.vocabulary import Floats
from models.kinds.forecast import divided
from simulate.report.results import write_text

PAGE = ROOT / "docs" / "forecast-table.md"
HORIZON = 16
SETS: Mapping[str, tuple[str, str]] = {
    "wearables": ("watch_shoulder.npz", "split_local"),
    "activity": ("ucihar.npz", "split"),
}
"""The file of each set in the data folder, and its column of what is held out."""
_LIMIT_S = 3600.0
_ASKED = ("task.kind=forecast", f"task.horizon={HORIZON}", "world.windows_per_reading=2")
_WAYS: Mapping[str, tuple[str, ...]] = {
    "federated, epsilon 8": ("privacy=window",),
    "federated, no DP": ("privacy=none",),
    "one place, no DP": ("privacy=none", "data.site=none", "partition=iid", "sites=1"),
}


@dataclass(frozen=True)
class Row:
    """The error of each way as a share of the last reading's, a run each; and of least squares."""

    name: str
    windows: str
    shares: Mapping[str, tuple[float, ...]]
    least_squares: float
    commands: tuple[str, ...]


def write_set(name: str, data: Path, target: Path) -> None:
    """The set as a stranger's file: raw readings and a site, and no labels."""
    file, split = SETS[name]
    arrays = np.load(data / file)
    np.savez(target, x=arrays["x"], site=arrays["subject"], split=arrays[split])


def measure(name: str, data: Path, seeds: int) -> Row:
    """All ways for one set.

    Raises:
        ProcessFailed: a run failed.
    """
    shares, commands = dict[str, tuple[float, ...]](), list[str]()
    with TemporaryDirectory() as folder:
        file = Path(folder, "own.npz")
        write_set(name, data, file)
        for way, more in _WAYS.items():
            asked = [*_ASKED, *more]
            own = ["task=arrays", f"data.path={file}", *asked]
            runs = [run([*own, f"seed={seed}"], None, _LIMIT_S)[0] for seed in range(seeds)]
            shares[way] = tuple(summary["measures"]["of_last"] for summary in runs)
            commands.append(command(["task=arrays", f"data.path={name}.npz", *asked]))
        arrays = np.load(file)
        least, shape = least_squares(arrays["x"], arrays["split"] == 1), arrays["x"].shape
    windows = f"{shape[1] - HORIZON} readings of {shape[2]} channels at 50 Hz"
    return Row(name, windows, shares, least, tuple(commands))


def least_squares(x_NLC: Floats, held_out_N: np.ndarray) -> float:
    """The share of one linear map for all channels, from each channel's past in its spread."""
    values_NTC, labels_N = divided(np.asarray(x_NLC, np.float32), HORIZON)
    last_NC1 = labels_N[:, :, :1].astype(np.float64)
    spread_NC1 = np.maximum(labels_N[:, :, 1:2].astype(np.float64), 1e-9)
    past_NCT = (values_NTC.transpose(0, 2, 1) - last_NC1) / spread_NC1
    ahead_NCH = ((labels_N[:, :, 2:] - last_NC1) / spread_NC1).clip(-10, 10)
    trained = ~held_out_N
    flat = [each[trained].reshape(-1, each.shape[2]) for each in (past_NCT, ahead_NCH)]
    fitted = LinearRegression().fit(*flat)
    tested = past_NCT[held_out_N]
    told_NCH = fitted.predict(tested.reshape(-1, tested.shape[2])).reshape(*tested.shape[:2], -1)
    told_NCH = last_NC1[held_out_N] + spread_NC1[held_out_N] * told_NCH
    came_NCH = labels_N[held_out_N][:, :, 2:]
    error_C = np.abs(came_NCH - told_NCH).mean((0, 2))
    of_last_C = np.abs(came_NCH - last_NC1[held_out_N]).mean((0, 2))
    return float((error_C / of_last_C).mean())


def to_markdown(rows: Sequence[Row], machine: Mapping[str, object]) -> str:
    """The whole page."""
    heads = ["data", f"from, for the next {HORIZON} readings", *_WAYS, "one place, least squares"]
    heads.append("the last reading stays")
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


_INTRODUCTION = """# Forecasts, measured

The mean absolute error of [forecasts](how-to/forecast.md) as a share of the error of who says that
the last reading stays: below 1 is better than that. On the windows that the file holds out (of
`activity`, persons who trained nothing); mean and standard deviation over seeds from 0, delta 1e-5,
everything else at its default. Least squares is scikit-learn's, one linear map for all channels
from each channel's past in its own spread.

`python -m benchmarks.privacy.forecasts` measures it and writes this page.
"""


def _line(row: Row) -> list[str]:
    figures = [_spread(row.shares[way]) for way in _WAYS]
    return [f"`{row.name}`", row.windows, *figures, f"{row.least_squares:.3f}", "1"]


def _spread(shares: Sequence[float]) -> str:
    deviation = f" ± {stdev(shares):.3f}" if len(shares) > 1 else ""
    return f"{fmean(shares):.3f}{deviation}"


def main() -> None:
    """Exit status 1 where a run failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=3, help="how many runs of each, from seed 0")
    parser.add_argument("--only", nargs="*", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    rows = []
    for name in options.only:
        try:
            rows.append(measure(name, options.data.resolve(), options.seeds))
        except ProcessFailed as error:
            sys.exit(f"error: {error}")
        Console(highlight=False, soft_wrap=True).print(" | ".join(_line(rows[-1])))
    write_text(PAGE, to_markdown(rows, facts()))


if __name__ == "__main__":
    main()
