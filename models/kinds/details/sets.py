"""Details of sets of labels: macro F1 and micro F1."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Task
from models.kinds import kind_of
from models.kinds.details.counted import is_clear, mean_f1, unclear
from models.kinds.details.protocol import CLEAR, BesideGuess, Estimate
from models.kinds.multilabel import has_of


class SetDetails:
    """Of each label the windows where it is found, missed, and named wrongly.

    A window adds 1 to at most one of the three for each of K labels: with weights of 1/sqrt(K) a
    norm of 1, beside a score of 1 at most.
    """

    guessed = "macro_f1"
    steps = 1

    def __init__(self, task: Task) -> None:
        self._labels = kind_of(task).columns
        size = len(self._labels)
        self.weights_M = np.full(3 * size, size**-0.5)

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """Windows of each label where it is found, missed, and named wrongly (3 K,)."""
        truth_NK, named_NK = (has_of(bits, len(self._labels)) for bits in (truth_N, predicted_N))
        each = truth_NK & named_NK, truth_NK & ~named_NK, ~truth_NK & named_NK
        return np.concatenate([one.sum(0) for one in each]).astype(np.float64)

    def estimates(
        self, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> Mapping[str, Estimate]:
        """The mean over labels that are clear of the noise, and the F1 of all labels together."""
        clear_K = is_clear(sums_M, variances_M)
        counts, variances = sums_M.reshape(3, -1), variances_M.reshape(3, -1)
        all_3, noise_3 = counts.sum(1, keepdims=True), variances.sum(1, keepdims=True)
        found: dict[str, Estimate] = {}
        if clear_K.any():
            found["macro_f1"] = mean_f1(counts[:, clear_K], variances[:, clear_K])
        if all_3[0, 0] + all_3[1, 0] > CLEAR * np.sqrt(noise_3[0, 0] + noise_3[1, 0]):
            found["micro_f1"] = mean_f1(all_3, noise_3)
        return found

    def beside_guess(
        self, score: Estimate, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> BesideGuess | None:
        """Macro F1 beside that of naming every label, over labels that are clear of the noise."""
        clear_K = is_clear(sums_M, variances_M)
        if (own := self.estimates(windows, sums_M, variances_M).get(self.guessed)) is None:
            return None
        there_K, noise_K = (
            each.reshape(3, -1)[:2, clear_K].sum(0) for each in (sums_M, variances_M)
        )
        all_K = there_K + max(windows.value, float(there_K.max()))
        by_there_K, by_windows = 2 * (all_K - there_K) / all_K**2, 2 * (there_K / all_K**2).sum()
        error = math.hypot(math.sqrt(by_there_K**2 @ noise_K), by_windows * windows.error)
        guess = Estimate(float((2 * there_K / all_K).mean()), error / len(there_K))
        return BesideGuess(self.guessed, own, guess)

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """Each window is one of the three at most, for each label."""
        sums_M = sums_M.clip(-slack_M, windows + slack_M)
        most_K = windows + np.linalg.norm(slack_M.reshape(3, -1), axis=0)
        total_K = np.maximum(sums_M.reshape(3, -1).sum(0), most_K)
        factor_K = np.divide(most_K, total_K, out=np.ones(len(most_K)), where=total_K > 0)
        return np.asarray((sums_M.reshape(3, -1) * factor_K).ravel())

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """See ``Details``; without noise, those without windows."""
        return unclear(self._labels, sums_M, variances_M)

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """None: a label that is nearly always named may nearly always be there."""
        return {}
