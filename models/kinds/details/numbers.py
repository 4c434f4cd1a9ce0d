"""Details of numbers: root mean squared error and R², or coverage and mean absolute error."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Task
from models.kinds import kind_of
from models.kinds.details.protocol import CLEAR, BesideGuess, Estimate


class NumberDetails:
    """Of each window its squared error, its place in the range, and the square of this place.

    Errors are shares x of the range, with which a window's score is 1 - x; places u run from -1 to
    1. (1 - x)² + x⁴ is 1 at most, so the squared error costs nothing; and (u² + u⁴) / 2 is 1 at
    most, so the places have a weight of 1/sqrt(2). Of a quantile the score is a pinball loss, and
    the details are whether the number is at or below the answer, and the error x: both with this
    weight, as (1 + x²) / 2 is 1 at most. All are cut toward 0 to whole steps, as fine as the square
    of the smallest error that a score tells.
    """

    steps = 1 << 20

    def __init__(self, task: Task) -> None:
        kind, options = kind_of(task), dict(task.kind.options)
        self._kind, self._span = kind, kind.span
        self._middle = float(options["low"]) + kind.span / 2
        self._is_mean = options["quantile"] is None
        half = 0.5**0.5
        self.weights_M = np.array([1.0, half, half] if self._is_mean else [half, half])
        self._lowest_M = np.array([0.0, -1.0, 0.0] if self._is_mean else [0.0, 0.0])

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """See the class."""
        if not self._is_mean:
            above_N = predicted_N.astype(np.float64) - truth_N
            share_N = np.nan_to_num(np.abs(above_N) / self._span, nan=1.0).clip(0.0, 1.0)
            return np.array([np.sum(above_N >= 0), self._whole(share_N).sum()], dtype=np.float64)
        share_N = 1 - self._kind.scores(truth_N, predicted_N)
        away_N = (truth_N.astype(np.float64) - self._middle) * 2 / self._span
        away_N = self._whole(away_N.clip(-1.0, 1.0))
        each = self._whole(share_N**2), away_N, self._whole(away_N**2)
        return np.array([one.sum() for one in each], dtype=np.float64)

    def estimates(
        self, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> Mapping[str, Estimate]:
        """In the numbers' unit."""
        shares, errors = sums_M / windows.value, np.sqrt(variances_M) / windows.value
        blur = windows.error / windows.value
        if self._is_mean:
            return self._of_mean(shares, errors, blur)
        below, off = shares.clip(0.0, 1.0)
        of_below, of_off = np.hypot(errors, shares * blur)
        return {
            "coverage": Estimate(float(below), float(of_below)),
            "mae": Estimate(float(off) * self._span, float(of_off) * self._span),
        }

    def _of_mean(self, shares_3: Doubles, errors_3: Doubles, blur: float) -> dict[str, Estimate]:
        """From means of windows and their errors; ``blur`` is the windows' own, as a share."""
        squared, away, square = shares_3
        squared = max(float(squared), 0.0)
        root = math.sqrt(squared)
        of_root = math.hypot(errors_3[0], squared * blur) / (
            2 * max(root, 1 / self._kind.score_steps)
        )
        found = {"rmse": Estimate(root * self._span, of_root * self._span)}
        spread = float(square - away**2) / 4
        error = math.hypot(errors_3[2], 2 * away * errors_3[1]) / 4
        if spread > CLEAR * error:
            rest = squared / spread
            found["r2"] = Estimate(1 - rest, math.hypot(errors_3[0], rest * error) / spread)
        return found

    def beside_guess(
        self, score: Estimate, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> BesideGuess | None:
        """R² beside 0, that of the mean; None of a quantile."""
        r2 = self.estimates(windows, sums_M, variances_M).get("r2")
        return BesideGuess("r2", r2, Estimate(0.0, 0.0)) if r2 else None

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """See ``Details``."""
        return sums_M.clip(self._lowest_M * windows - slack_M, windows + slack_M)

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """None."""
        return ()

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """None."""
        return {}

    def _whole(self, values_N: Doubles) -> Doubles:
        """Cut toward 0 to whole steps."""
        return np.asarray(np.trunc(values_N * self.steps) / self.steps)
