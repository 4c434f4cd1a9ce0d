"""Details of numbers: root mean squared error and R², or what a quantile's error stands beside."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Task
from models.kinds import kind_of
from models.kinds.details.protocol import CLEAR, BesideGuess, Estimate

STEPS = 1 << 20
PLACES = 33
"""Numbers that may be named each time: the best of more of them costs less, with more noise."""


class NumberDetails:
    """Of each window its squared error, its place in the range, and the square of this place.

    Errors are shares x of the range, with which a window's score is 1 - x; places u run from -1 to
    1. (1 - x)² + x⁴ is 1 at most, so the squared error costs nothing; and (u² + u⁴) / 2 is 1 at
    most, so the places have a weight of 1/sqrt(2). All are cut toward 0 to whole steps, as fine as
    the square of the smallest error that a score tells. Of a quantile: ``QuantileDetails``.
    """

    guessed = "r2"
    steps = STEPS

    def __init__(self, task: Task) -> None:
        kind, options = kind_of(task), dict(task.kind.options)
        self._kind, self._span = kind, kind.span
        self._middle = float(options["low"]) + kind.span / 2
        self.weights_M = np.array([1.0, 0.5**0.5, 0.5**0.5])

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """See the class."""
        share_N = 1 - self._kind.scores(truth_N, predicted_N)
        away_N = (truth_N.astype(np.float64) - self._middle) * 2 / self._span
        away_N = whole(away_N.clip(-1.0, 1.0))
        each = whole(share_N**2), away_N, whole(away_N**2)
        return np.array([one.sum() for one in each], dtype=np.float64)

    def estimates(
        self, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> Mapping[str, Estimate]:
        """In the numbers' unit."""
        shares_3, errors_3 = sums_M / windows.value, np.sqrt(variances_M) / windows.value
        blur = windows.error / windows.value
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
        """R² beside 0, that of the mean."""
        r2 = self.estimates(windows, sums_M, variances_M).get(self.guessed)
        return BesideGuess(self.guessed, r2, Estimate(0.0, 0.0)) if r2 else None

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """See ``Details``."""
        return sums_M.clip(np.array([0.0, -windows, 0.0]) - slack_M, windows + slack_M)

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """None."""
        return ()

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """None."""
        return {}


class QuantileDetails:
    """Of each window whether its number is at or below the answer, its error, and its place.

    The error x is a share of the range. The place is divided between the two nearest of ``PLACES``
    numbers, evenly across the range: t to one and 1 - t to the other. So what naming one of them
    each time would cost all windows is told without any loss, as a pinball loss is straight between
    neighbours. Each of the three has a weight of 1/sqrt(3): (1 + x² + t² + (1 - t)²) / 3 is 1 at
    most, and the score is, too. All are whole steps.
    """

    guessed = "pinball"
    steps = STEPS

    def __init__(self, task: Task) -> None:
        kind, options = kind_of(task), dict(task.kind.options)
        self._kind, self._span = kind, kind.span
        self._low, self._quantile = float(options["low"]), float(options["quantile"])
        self.weights_M = np.full(2 + PLACES, 3**-0.5)

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """See the class."""
        above_N = predicted_N.astype(np.float64) - truth_N
        share_N = np.nan_to_num(np.abs(above_N) / self._span, nan=1.0).clip(0.0, 1.0)
        place_N = ((truth_N.astype(np.float64) - self._low) / self._span).clip(0.0, 1.0)
        lower_N = np.floor(place_N * (PLACES - 1)).clip(0, PLACES - 2).astype(np.int64)
        upper_N = whole((place_N * (PLACES - 1) - lower_N).clip(0.0, 1.0))
        at_P = np.bincount(lower_N, 1 - upper_N, PLACES) + np.bincount(lower_N + 1, upper_N, PLACES)
        return np.array([np.sum(above_N >= 0), whole(share_N).sum(), *at_P], dtype=np.float64)

    def estimates(
        self, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> Mapping[str, Estimate]:
        """Coverage, and the mean absolute error in the numbers' unit."""
        shares = sums_M[:2] / windows.value
        of_below, of_off = np.hypot(np.sqrt(variances_M[:2]), shares * windows.error)
        below, off = shares.clip(0.0, 1.0)
        scale = self._span / windows.value
        return {
            "coverage": Estimate(float(below), float(of_below) / windows.value),
            "mae": Estimate(float(off) * self._span, float(of_off) * scale),
        }

    def beside_guess(
        self, score: Estimate, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> BesideGuess | None:
        """The pinball loss beside that of the best of the ``PLACES`` numbers: the quantile's."""
        above_PP = (np.arange(PLACES) - np.arange(PLACES)[:, None]) * (self._span / (PLACES - 1))
        costs_PP = np.maximum(self._quantile * above_PP, (self._quantile - 1) * above_PP)
        costs_P = costs_PP @ sums_M[2:] / windows.value
        best = int(costs_P.argmin())
        cost = max(float(costs_P[best]), 0.0)
        by_noise = math.sqrt(float(costs_PP[best] ** 2 @ variances_M[2:]))
        guess = Estimate(cost, math.hypot(by_noise, cost * windows.error) / windows.value)
        per_share = abs(self._kind.of_score(1.0) - self._kind.of_score(0.0))
        own = Estimate(self._kind.of_score(score.value), score.error * per_share)
        return BesideGuess(self.guessed, own, guess)

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """See ``Details``; a window has one place."""
        sums_M = sums_M.clip(-slack_M, windows + slack_M)
        most = windows + float(np.linalg.norm(slack_M[2:]))
        sums_M[2:] *= min(1.0, most / max(float(sums_M[2:].sum()), most, 1e-9))
        return sums_M

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """None."""
        return ()

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """None."""
        return {}


def whole(values_N: Doubles) -> Doubles:
    """Cut toward 0 to whole steps."""
    return np.asarray(np.trunc(values_N * STEPS) / STEPS)
