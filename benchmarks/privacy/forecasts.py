"""``python -m benchmarks.privacy.forecasts``: forecasts by federated runs, and by what they rival.

The public sets of motion are given as files of raw readings without labels. Beside the federated
runs stand the same net with all data in one place, least squares with all data in one place
(scikit-learn), and the last reading, whose error is 1. Writes docs/forecast-table.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.linear_model import LinearRegression

from benchmarks.privacy.kept import KeptTable, arguments, spread, table, with_seeds
from benchmarks.privacy.runs import command, summaries
from fl_common.vocabulary import Floats
from models.kinds.forecast import divided

HORIZON = 16
SETS: Mapping[str, tuple[str, str]] = {
    "wearables": ("watch_shoulder.npz", "split_local"),
    "activity": ("ucihar.npz", "split"),
}
"""The file of each set in the data folder, and its column of what is held out."""
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
            runs = summaries(["task=arrays", f"data.path={file}", *asked], seeds)
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


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    """The whole page."""
    heads = ["data", f"from, for the next {HORIZON} readings", *_WAYS, "one place, least squares"]
    heads.append("the last reading stays")
    commands = "\n".join(text for row in rows for text in row.commands)
    parts = [table(heads, map(_line, rows)), measured, f"```sh\n{commands}\n```\n"]
    return "\n\n".join([_INTRODUCTION, *parts])


_INTRODUCTION = """# Forecasts, measured

The mean absolute error of [forecasts](how-to/forecast.md) as a share of the error of who says that
the last reading stays: below 1 is better than that. On the windows that the file holds out (of
`activity`, persons who trained nothing); mean and standard deviation over seeds from 0, delta 1e-5,
everything else at its default. Least squares is scikit-learn's, one linear map for all channels
from each channel's past in its own spread. On `activity` it is better than the net, even with the
net's data in one place.

`python -m benchmarks.privacy.forecasts` measures it and writes this page."""


def _line(row: Row) -> list[str]:
    figures = [spread(row.shares[way]) for way in _WAYS]
    return [f"`{row.name}`", row.windows, *figures, f"{row.least_squares:.3f}", "1"]


TABLE = KeptTable("forecasts", "forecast-table", SETS, ("name",), Row, to_markdown)


def main() -> None:
    """Exit status 1 where a run failed; what was measured stays."""
    options = with_seeds(arguments(__doc__, SETS)).parse_args()
    data = options.data.resolve()
    TABLE.fill((measure(name, data, options.seeds) for name in options.only), _line)


if __name__ == "__main__":
    main()
