"""Details of forecasts: the last reading's error, beside which theirs stands."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Task
from models.kinds import kind_of
from models.kinds.details.protocol import BesideGuess, Estimate


class AheadDetails:
    """Of each window 1 less the score that it would have if the last reading stayed.

    Both are 1 at most, so the weight is 1.
    """

    def __init__(self, task: Task) -> None:
        self._kind = kind_of(task)
        self.steps, self.guessed = self._kind.score_steps, self._kind.on_sites.name
        self.weights_M = np.ones(1)

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """See the class (1,)."""
        last_N = self._kind.scores(truth_N, self._kind.guessed(truth_N))
        return np.array([np.sum(1 - last_N)], dtype=np.float64)

    def estimates(
        self, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> Mapping[str, Estimate]:
        """None: shares of the last reading's error are means over channels."""
        return {}

    def beside_guess(
        self, score: Estimate, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> BesideGuess | None:
        """The mean error in spreads beside the last reading's."""
        share = float(sums_M[0]) / windows.value
        blur = float(np.hypot(variances_M[0] ** 0.5, share * windows.error)) / windows.value
        per_share = abs(self._kind.of_score(1.0) - self._kind.of_score(0.0))
        own = Estimate(self._kind.of_score(score.value), score.error * per_share)
        guess = Estimate(share * per_share, blur * per_share)
        return BesideGuess(self.guessed, own, guess)

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """See ``Details``."""
        return sums_M.clip(-slack_M, windows + slack_M)

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """None."""
        return ()

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """None."""
        return {}
