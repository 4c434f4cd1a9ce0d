"""A number for each window: a load, a temperature, a remaining life."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.rules import above, inside, require
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Doubles, Floats, Integers, KindSpec, Task
from models.kinds.protocol import MEANS, QUANTILES, STEPS, Measure, Truth, in_steps

if TYPE_CHECKING:
    import torch

REGRESSION = "regression"
_ROW = 129.0**0.5
"""The norm of a row of ``models.parts.rows`` with its 1 for the bias."""
_EDGE = 1e-3
"""A place is no nearer to an end of the range: it has a finite logit."""
_PARTS = 10
_CLOSE = 0.05
"""Of the range: two answers that are no further apart count as the same."""


def regression(low: float, high: float, unit: str, quantile: float | None) -> KindSpec:
    """The specification of numbers from ``low`` to ``high`` in ``unit``.

    ``quantile`` is the part of windows whose number is to lie below the answer; None: their mean.

    Raises:
        InvalidConfiguration: no such range or quantile.
    """
    if not -np.inf < low < high < np.inf:
        raise InvalidConfiguration(
            f"task.range=[{low:g}, {high:g}]",
            "must be two finite numbers, the lowest and the highest that can be",
            "Declare them from what is known of the quantity, not from the data",
        )
    if quantile is not None:
        require("task.quantile", quantile, inside("[0.01, 0.99]"))
    return KindSpec.of(REGRESSION, low=low, high=high, unit=unit, quantile=quantile)


def tenths_of(numbers_N: NDArray[Any], among_M: NDArray[Any]) -> Integers:
    """For each number, which tenth of the numbers ``among_M``, by size, it is in."""
    edges = np.quantile(among_M, np.arange(1, _PARTS) / _PARTS)
    return np.searchsorted(edges, numbers_N).astype(np.int64)


def numbers(range: object, unit: object, quantile: float | None) -> KindSpec:
    """The specification of numbers as a person has declared them: see docs/reference/kinds.md.

    Raises:
        InvalidConfiguration: no range, or no such quantile.
    """
    if not isinstance(range, Sequence) or isinstance(range, str) or len(range) != 2:
        raise InvalidConfiguration(
            f"task.kind={REGRESSION} with task.range={range}",
            "needs the lowest and the highest number that can be: a public range",
            "Declare it from what is known of the quantity: task.range=[0,100]",
        )
    for value in range:
        require("task.range", value, above(-math.inf))
    low, high = map(float, range)
    return regression(low, high, "1" if unit is None else str(unit), quantile)


class Regression:
    """The mean by a fractional logit, or a quantile by pinball loss (Koenker and Bassett 1978).

    The declared range becomes 0 to 1, and the net's output the logit of a place in it. Of a mean
    the loss is cross-entropy with the target as a share (Papke and Wooldridge 1996), less its own
    entropy: least at the mean, as squared error is, but with a gradient of 1 at most, as large as
    that of a label, whatever the unit, and no statistic of the data is used.

    The logit of a quantile is the quantile of the logits. So its pinball loss is one of logits,
    whose gradient depends on the side alone. Clipping would give both sides gradients of one size,
    and the median would be learnt, whatever the quantile: the loss is divided by the norm of a row
    (``models.parts.rows``) with its 1 for the bias, so that none is clipped.

    A window's score is 1 less its error as a share of the largest that can be: the absolute error
    where the mean is learnt, else the pinball loss.
    """

    truth, ahead = Truth.NUMBER, 0
    answer = "value"
    columns = ("value",)
    outputs = 1
    score_steps = STEPS

    def __init__(self, task: Task) -> None:
        options = dict(regression(**dict(task.kind.options)).options)
        self._low, self._high = (float(np.float32(options[end])) for end in ("low", "high"))
        self._quantile: float | None = options["quantile"]
        self._unit = str(options["unit"])
        self.span = self._high - self._low
        mae = Measure("mae", "mean absolute error", False, self._unit)
        if self._quantile is None:
            rmse = Measure("rmse", "root mean squared error", False, self._unit)
            self.measures: tuple[Measure, ...] = (mae, rmse, Measure("r2", "R²", True))
            self.loss_name = "Mean cross-entropy with the place in the range, in nats"
            self.pace, self.guess_loss = MEANS, 1.0
            self.guess = "naming the mean of the test windows each time"
        else:
            below = f"share at or below the answer (wanted: {self._quantile:g})"
            pinball = Measure("pinball", "mean pinball loss", False, self._unit)
            self.measures = (pinball, Measure("coverage", below, True), mae)
            self.loss_name = f"Mean pinball loss of logits of the place in the range, by {_ROW:.3g}"
            self.pace, self.guess_loss = QUANTILES, 1 / _ROW
            self.guess = f"naming the {self._quantile:g}-quantile of the test windows each time"

    @property
    def on_sites(self) -> Measure:
        """The first measure."""
        return self.measures[0]

    def guessed(self, truth_N: NDArray[Any]) -> NDArray[Any]:
        """The mean, or the quantile, of them all."""
        numbers_N = truth_N.astype(np.float64)
        if self._quantile is None:
            return np.full(len(numbers_N), numbers_N.mean())
        return np.full(len(numbers_N), np.quantile(numbers_N, self._quantile))

    def why_unfit(self, labels_N: NDArray[Any]) -> tuple[str, str] | None:
        """See ``TaskKind``."""
        if self.fits_N(labels_N).all():
            return None
        rule = f"must be finite and within the range [{self._low:g}, {self._high:g}]"
        return f"numbers from {np.min(labels_N):g} to {np.max(labels_N):g}", rule

    def fits_N(self, labels_N: NDArray[Any]) -> NDArray[np.bool_]:
        """See ``TaskKind``."""
        return np.asarray((labels_N >= self._low) & (labels_N <= self._high))

    def alike(self, labels_N: NDArray[Any], among_M: NDArray[Any]) -> Integers:
        """The tenths of ``among_M``."""
        return tenths_of(labels_N, among_M)

    def targets(self, labels_N: NDArray[Any]) -> Floats:
        """The numbers' places in the range (N, 1), from 0 to 1."""
        scaled_N = (labels_N.astype(np.float64) - self._low) / self.span
        return scaled_N[:, None].astype(np.float32)

    def drawn(self, count: int, generator: np.random.Generator) -> NDArray[Any]:
        """The ends of the range."""
        return generator.choice(np.array([self._low, self._high], np.float32), count)

    def example_targets(self, count: int) -> Floats:
        """See ``TaskKind``."""
        return np.linspace(0.75, 0.25, count, dtype=np.float32)[:, None]

    def losses(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """See the class."""
        if self._quantile is None:
            from torch.nn.functional import binary_cross_entropy_with_logits  # no box needs it

            rest_N1 = 1 - targets_N
            entropy_N1 = targets_N.xlogy(targets_N) + rest_N1.xlogy(rest_N1)
            targets_N = targets_N.to(outputs_ND.dtype)
            losses_N1 = binary_cross_entropy_with_logits(outputs_ND, targets_N, reduction="none")
            return (losses_N1 + entropy_N1)[:, 0]
        above_N = (_logits(targets_N).to(outputs_ND.dtype) - outputs_ND)[:, 0] / _ROW
        return above_N.relu() * self._quantile + (-above_N).relu() * (1 - self._quantile)

    def toward(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """See ``TaskKind``."""
        if self._quantile is None:
            return outputs_ND.sigmoid() - targets_N
        wanted_N1 = _logits(targets_N)
        above, below = (wanted_N1 > outputs_ND).float(), (wanted_N1 < outputs_ND).float()
        return (below * (1 - self._quantile) - above * self._quantile) / _ROW

    def predicted(self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor") -> "torch.Tensor":
        """The number (N,) in its unit."""
        return self.published(outputs_ND, values_N)["value"][:, 0]

    def published(
        self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor"
    ) -> Mapping[str, "torch.Tensor"]:
        """The number (N, 1) in its unit."""
        return {"value": outputs_ND.sigmoid() * self.span + self._low}

    def chosen(self, answers_ND: Floats) -> Floats:
        """The numbers (N,)."""
        return answers_ND[:, 0]

    def told(self, answer_D: Sequence[float]) -> Mapping[str, Any]:
        """The number and its unit."""
        return {"value": float(f"{answer_D[0]:.6g}"), "unit": self._unit}

    def heard(self, event: Mapping[str, Any]) -> NDArray[Any]:
        """The number."""
        return np.array([event["value"]], np.float64)

    def right(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[np.bool_]:
        """Within a twentieth of the range."""
        return self.agree(truth_N, predicted_N)

    def words(self, answers_ND: Floats) -> tuple[str, ...]:
        """One word for all."""
        return (self.answer,) * len(answers_ND)

    def said(self, answer_D: Sequence[float]) -> str:
        """The number and its unit."""
        return f"{answer_D[0]:g}" + (f" {self._unit}" if self._unit != "1" else "")

    def label(self, answer_D: Sequence[float]) -> str:
        """None."""
        return ""

    def agree(self, one_N: NDArray[Any], other_N: NDArray[Any]) -> NDArray[np.bool_]:
        """Within a twentieth of the range."""
        return np.asarray(np.abs(one_N - other_N) <= _CLOSE * self.span)

    def scores(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """See the class."""
        share_N = self._costs(truth_N, predicted_N) / self._worst
        share_N = np.nan_to_num(share_N, nan=1.0).clip(0.0, 1.0)
        return in_steps(1 - share_N)

    def of_score(self, score: float) -> float:
        """The mean error that a mean score stands for."""
        return (1 - score) * self._worst

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """Of windows, errors, their squares, numbers above the lowest, and their squares."""
        truth_N = truth_N.astype(np.float64) - self._low
        error_N = predicted_N.astype(np.float64) - self._low - truth_N
        each = (
            np.ones(len(truth_N)), np.abs(error_N), error_N**2, truth_N, truth_N**2,
            self._costs(truth_N, truth_N + error_N), error_N >= 0,
        )  # fmt: skip
        return np.array([values_N.sum() for values_N in each], dtype=np.float64)

    def measured(self, sums: NDArray[Any]) -> Mapping[str, float]:
        """See ``sums``; R² is NaN where the numbers do not differ."""
        windows, absolute, squared, total, squares, costs, above = sums.tolist()
        if not windows:
            return {measure.name: float("nan") for measure in self.measures}
        spread = squares - total**2 / windows
        found = {
            "mae": absolute / windows,
            "rmse": float(np.sqrt(squared / windows)),
            "r2": 1 - squared / spread if spread > 0 else float("nan"),
            "pinball": costs / windows,
            "coverage": above / windows,
        }
        return {measure.name: found[measure.name] for measure in self.measures}

    @property
    def _worst(self) -> float:
        """The largest cost that a window can have."""
        share = 1.0 if self._quantile is None else max(self._quantile, 1 - self._quantile)
        return share * self.span

    def _costs(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """What each error costs, in the unit: its size, or its pinball loss."""
        above_N = truth_N.astype(np.float64) - predicted_N
        if self._quantile is None:
            return np.asarray(np.abs(above_N))
        return np.asarray(np.maximum(self._quantile * above_N, (self._quantile - 1) * above_N))


def _logits(places_N1: "torch.Tensor") -> "torch.Tensor":
    return places_N1.clamp(_EDGE, 1 - _EDGE).logit()
