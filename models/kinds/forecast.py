"""The next readings of a window: no labels are needed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.rules import require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Doubles, Floats, Integers, KindSpec, Task
from models.kinds.protocol import STEPS, Measure, Pace, Truth, in_steps

if TYPE_CHECKING:
    import torch

FORECAST = "forecast"
_BEND = 0.5
"""In spreads: smaller errors count by their square, larger ones by their size."""
_FARTHEST = 10.0
"""In spreads: what lies farther from the last reading is learnt as if it lay there."""
_WORST = 4.0
"""In spreads: errors beyond it count as much as this one on the sites, so that scores have ends."""
_CLOSE = 0.05
"""Of each channel's scale: two forecasts that are no further apart, in the mean, are the same."""
_LAST, _SPREAD, _AHEAD = 0, 1, 2
"""Places in what a window is labelled with."""


def forecast(horizon: object) -> KindSpec:
    """The specification of the next ``horizon`` readings.

    Raises:
        InvalidConfiguration: no whole number, or none above 0.
    """
    require("task.horizon", horizon, whole(1), "Set task.horizon=8: how many readings to forecast")
    return KindSpec.of(FORECAST, horizon=horizon)


def divided(values_NLC: Floats, horizon: int) -> tuple[Floats, Floats]:
    """Windows (N, L - horizon, C), and what each is labelled with (N, C, 2 + horizon).

    That is its last reading, its spread, and the readings that follow.
    """
    values_NTC, ahead_NHC = np.split(values_NLC, [values_NLC.shape[1] - horizon], axis=1)
    doubles_NTC = values_NTC.astype(np.float64)
    spread_N1C = np.abs(doubles_NTC - doubles_NTC.mean(1, keepdims=True)).mean(1, keepdims=True)
    labels_NXC = np.concatenate([values_NTC[:, -1:], spread_N1C, ahead_NHC], axis=1)
    return np.ascontiguousarray(values_NTC), labels_NXC.transpose(0, 2, 1).astype(np.float32)


class Forecast:
    """The next readings of each channel, as differences from the last one in the window's spreads.

    A window's spread is the mean distance of a channel's readings from their mean. So outputs and
    loss are the same in any unit, no statistic of the data is used, and a net whose outputs are
    zero says that the last reading stays. The loss of a value is pseudo-Huber (Charbonnier et al.
    1994), bent at half a spread; a window's is the sum over values by the root of their number, of
    which the gradient has at most the norm 1, as that of a label has.

    A window is labelled with (C, 2 + horizon): see ``divided``. A prediction is (C, horizon).
    """

    truth = Truth.AHEAD
    answer = FORECAST
    score_steps = STEPS
    pace = Pace(0.05, 36.0, 0.05)
    guess = "saying that the last reading stays"
    loss_name = "Pseudo-Huber loss of a window's next readings, in its spreads"
    on_sites = Measure("scaled_error", "mean error in spreads of the window", False, "1")

    def __init__(self, task: Task) -> None:
        self._horizon: int = dict(forecast(**dict(task.kind.options)).options)["horizon"]
        self.ahead = self._horizon
        if len(task.window_shape) != 2 or task.window_shape[0] < 2:
            raise InvalidConfiguration(
                f"task.kind=forecast with windows of shape {task.window_shape}",
                "needs two or more readings over time: windows (time, channels)",
                "Cut them from recordings with fl-simulate windows",
            )
        self._channels, self._rate_hz = task.channels, task.rate_hz
        self._scale_C1 = np.array(task.scale, np.float64)[:, None]
        self._values = len(task.channels) * self._horizon
        self.outputs = self._values
        self.span = float(np.abs([*task.center, *task.scale]).max())
        self.guess_loss = 0.5 * self._values**0.5
        steps = range(1, self._horizon + 1)
        self.columns = tuple(f"{channel}+{step}" for channel in task.channels for step in steps)
        share = Measure("of_last", "share of the last reading's error", False)
        units = {*task.units}
        mae = Measure("mae", "mean absolute error", False, task.units[0])
        self.measures: tuple[Measure, ...] = (share, *([mae] if len(units) == 1 else []))

    def guessed(self, truth_N: NDArray[Any]) -> NDArray[Any]:
        """The last reading, for each that follows."""
        return np.repeat(self._rows(truth_N)[:, :, [_LAST]], self._horizon, axis=2)

    def why_unfit(self, labels_N: NDArray[Any]) -> tuple[str, str] | None:
        """See ``TaskKind``."""
        odd = int((~self.fits_N(labels_N)).sum())
        return (f"{odd} windows", "must be followed by finite readings") if odd else None

    def fits_N(self, labels_N: NDArray[Any]) -> NDArray[np.bool_]:
        """See ``TaskKind``."""
        return np.asarray(np.isfinite(self._rows(labels_N)).all(axis=(1, 2)))

    def alike(self, labels_N: NDArray[Any], among_M: NDArray[Any]) -> Integers:
        """One part."""
        return np.zeros(len(labels_N), np.int64)

    def targets(self, labels_N: NDArray[Any]) -> Floats:
        """Differences from the last reading in spreads (N, C * horizon), at most ten each."""
        labels_N = self._rows(labels_N)
        off_NCH = labels_N[:, :, _AHEAD:].astype(np.float64) - labels_N[:, :, [_LAST]]
        scaled_NCH = _in_spreads(off_NCH, labels_N).clip(-_FARTHEST, _FARTHEST)
        return scaled_NCH.reshape(len(labels_N), self._values).astype(np.float32)

    def drawn(self, count: int, generator: np.random.Generator) -> NDArray[Any]:
        """Readings that follow far above or below the last one, in a spread of 1."""
        labels_NCX = np.zeros((count, len(self._channels), _AHEAD + self._horizon), np.float32)
        labels_NCX[:, :, _SPREAD] = 1.0
        labels_NCX[:, :, _AHEAD:] = generator.choice(
            [-_FARTHEST, _FARTHEST], labels_NCX[:, :, _AHEAD:].shape
        )
        return labels_NCX

    def example_targets(self, count: int) -> Floats:
        """See ``TaskKind``."""
        each = np.linspace(-1.0, 1.0, count * self._values, dtype=np.float32)
        return each.reshape(count, self._values)

    def losses(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """See the class."""
        error_ND = outputs_ND - targets_N.to(outputs_ND.dtype)
        bent_ND = (error_ND * error_ND + _BEND**2).sqrt() - _BEND
        return bent_ND.sum(1).div(self._values**0.5)

    def toward(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """See ``TaskKind``."""
        error_ND = outputs_ND - targets_N
        return error_ND.div_((error_ND * error_ND + _BEND**2).sqrt()).div_(self._values**0.5)

    def predicted(self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor") -> "torch.Tensor":
        """The next readings (N, C, horizon) in their units."""
        last_N1C = values_N[:, -1:]
        off_NTC = values_N - last_N1C  # small numbers, of which float32 tells more
        spread_NC = (off_NTC - off_NTC.mean(1, keepdim=True)).abs().mean(1)
        outputs_NCH = outputs_ND.reshape(-1, len(self._channels), self._horizon)
        return last_N1C.transpose(1, 2) + spread_NC.unsqueeze(2) * outputs_NCH

    def published(
        self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor"
    ) -> Mapping[str, "torch.Tensor"]:
        """The next readings (N, C * horizon) in their units: all of the first channel, then on."""
        return {self.answer: self.predicted(outputs_ND, values_N).reshape(-1, self._values)}

    def chosen(self, answers_ND: Floats) -> Floats:
        """The next readings (N, C, horizon)."""
        return answers_ND.reshape(-1, len(self._channels), self._horizon)

    def told(self, answer_D: Sequence[float]) -> Mapping[str, Any]:
        """The next readings of each channel, and how long after the last one each is due."""
        rows_CH = np.reshape(answer_D, (len(self._channels), self._horizon)).tolist()
        ahead = range(1, self._horizon + 1)
        when: Mapping[str, Any] = {"steps_ahead": [*ahead]}
        if self._rate_hz is not None:
            when = {"seconds_ahead": [round(step / self._rate_hz, 6) for step in ahead]}
        named = zip(self._channels, rows_CH, strict=True)
        return {"forecast": {name: [float(f"{x:.6g}") for x in row] for name, row in named}, **when}

    def heard(self, event: Mapping[str, Any]) -> NDArray[Any]:
        """The next readings (1, C, horizon)."""
        return np.array([[event["forecast"][name] for name in self._channels]], np.float64)

    def right(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[np.bool_]:
        """Within a twentieth of each channel's declared scale, in the mean over steps."""
        return self.agree(truth_N, predicted_N)

    def words(self, answers_ND: Floats) -> tuple[str, ...]:
        """One word for all."""
        return (self.answer,) * len(answers_ND)

    def said(self, answer_D: Sequence[float]) -> str:
        """The last reading that is told of each channel."""
        told = self.told(answer_D)["forecast"]
        last = ", ".join(f"{name} {row[-1]:g}" for name, row in told.items())
        return f"{last}, {self._horizon} readings ahead"

    def label(self, answer_D: Sequence[float]) -> str:
        """None."""
        return ""

    def agree(self, one_N: NDArray[Any], other_N: NDArray[Any]) -> NDArray[np.bool_]:
        """Within a twentieth of each channel's declared scale, in the mean over steps."""
        one_NCH, other_NCH = (each[:, :, -self._horizon :] for each in (one_N, other_N))
        apart_NCH = np.abs(one_NCH.astype(np.float64) - other_NCH) / self._scale_C1
        return np.asarray((apart_NCH.mean(2) <= _CLOSE).all(1))

    def scores(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """1 less a window's error in its spreads, of which 4 is the most."""
        error_NCH = predicted_N - truth_N[:, :, _AHEAD:].astype(np.float64)
        share_NCH = _in_spreads(np.abs(error_NCH), truth_N) / _WORST
        share_N = np.nan_to_num(share_NCH, nan=1.0).clip(0.0, 1.0).mean((1, 2))
        return in_steps(1 - share_N)

    def of_score(self, score: float) -> float:
        """The mean error in spreads."""
        return (1 - score) * _WORST

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """Of each channel and step (3, C, horizon): windows, errors, and those of the last."""
        ahead_NCH = truth_N[:, :, _AHEAD:].astype(np.float64)
        each = (
            np.ones_like(ahead_NCH),
            np.abs(ahead_NCH - predicted_N),
            np.abs(ahead_NCH - truth_N[:, :, [_LAST]]),
        )
        return np.stack([values_NCH.sum(0) for values_NCH in each])

    def measured(self, sums: NDArray[Any]) -> Mapping[str, float]:
        """See ``sums``; a channel whose last reading always stays is in no mean of shares."""
        shares_C = _shares(sums)
        moved_C = np.isfinite(shares_C)
        readings, errors, _ = sums.sum((1, 2)).tolist()
        found = {
            "of_last": float(shares_C[moved_C].mean()) if moved_C.any() else float("nan"),
            "mae": errors / readings if readings else float("nan"),
        }
        return {measure.name: found[measure.name] for measure in self.measures}

    def _rows(self, labels_N: NDArray[Any]) -> NDArray[Any]:
        """What windows are labelled with, (N, C, 2 + horizon), also of none."""
        return labels_N.reshape(-1, len(self._channels), _AHEAD + self._horizon)


def of_channels(
    channels: Sequence[str], sums: NDArray[Any]
) -> Mapping[str, Mapping[str, float | None]]:
    """From ``Forecast.sums``, for each channel: the mean absolute error, and the last reading's."""
    readings_C, errors_C, of_last_C = sums.sum(2)
    rows = np.stack([errors_C / readings_C, of_last_C / readings_C, _shares(sums)], 1).tolist()
    return {
        name: {"mae": mae, "mae_of_last": last, "of_last": share if np.isfinite(share) else None}
        for name, (mae, last, share) in zip(channels, rows, strict=True)
    }


def of_steps(sums: NDArray[Any]) -> tuple[Doubles, Doubles]:
    """The error at each step, and the last reading's, of which the mean is 1 in each channel."""
    of_last_C1 = sums[2].mean(1, keepdims=True)
    moved_C = of_last_C1[:, 0] > 0
    if not moved_C.any():
        return np.zeros(sums.shape[2]), np.zeros(sums.shape[2])
    errors_H, last_H = ((each / of_last_C1)[moved_C].mean(0) for each in (sums[1], sums[2]))
    return errors_H, last_H


def _shares(sums: NDArray[Any]) -> Doubles:
    """The error of each channel as a share of the last reading's; NaN where that always stays."""
    _, errors_C, of_last_C = sums.sum(2)
    none_C = np.full_like(of_last_C, np.nan)
    return np.asarray(np.divide(errors_C, of_last_C, out=none_C, where=of_last_C > 0))


def _in_spreads(differences_NCH: Doubles, labels_N: NDArray[Any]) -> Doubles:
    """Differences by the spread of each window and channel; of none, any is infinitely large."""
    spread_NC1 = labels_N[:, :, [_SPREAD]].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled_NCH = differences_NCH / spread_NC1
    return np.asarray(np.where(differences_NCH == 0, 0.0, scaled_NCH))
