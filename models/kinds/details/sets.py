"""Details of sets of labels: macro F1 and micro F1."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Task
from models.kinds import kind_of
from models.kinds.details.protocol import Estimate
from models.kinds.multilabel import has_of

_CLEAR = 3.0
"""Standard errors that the number of a label's windows must exceed."""


class SetDetails:
    """Of each label the windows where it is found, missed, and named wrongly.

    A window adds 1 to at most one of the three for each of K labels: with weights of 1/sqrt(K) a
    norm of 1, beside a score of 1 at most.
    """

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
        clear_K = self._is_clear(sums_M, variances_M)
        counts, variances = sums_M.reshape(3, -1), variances_M.reshape(3, -1)
        all_3, noise_3 = counts.sum(1, keepdims=True), variances.sum(1, keepdims=True)
        found: dict[str, Estimate] = {}
        if clear_K.any():
            found["macro_f1"] = _f1(counts[:, clear_K], variances[:, clear_K])
        if all_3[0, 0] + all_3[1, 0] > _CLEAR * np.sqrt(noise_3[0, 0] + noise_3[1, 0]):
            found["micro_f1"] = _f1(all_3, noise_3)
        return found

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """Each window is one of the three at most, for each label."""
        sums_M = sums_M.clip(-slack_M, windows + slack_M)
        most_K = windows + np.linalg.norm(slack_M.reshape(3, -1), axis=0)
        total_K = np.maximum(sums_M.reshape(3, -1).sum(0), most_K)
        factor_K = np.divide(most_K, total_K, out=np.ones(len(most_K)), where=total_K > 0)
        return np.asarray((sums_M.reshape(3, -1) * factor_K).ravel())

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """See ``Details``; without noise, those without windows."""
        clear_K = self._is_clear(sums_M, variances_M)
        return tuple(name for name, clear in zip(self._labels, clear_K, strict=True) if not clear)

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """None: a label that is nearly always named may nearly always be there."""
        return {}

    def _is_clear(self, sums_M: Doubles, variances_M: Doubles) -> NDArray[np.bool_]:
        (found_K, missed_K, _), variances = sums_M.reshape(3, -1), variances_M.reshape(3, -1)
        return np.asarray(found_K + missed_K > _CLEAR * np.sqrt(variances[0] + variances[1]))


def _f1(counts: Doubles, variances: Doubles) -> Estimate:
    """The mean F1 of labels, by their found, missed and wrong windows (3, K)."""
    found_K, missed_K, wrong_K = counts
    either_K = np.maximum(2 * found_K + missed_K + wrong_K, found_K + missed_K)
    f1_K = (2 * found_K / either_K).clip(0.0, 1.0)
    by = np.stack([2 * (missed_K + wrong_K), -2 * found_K, -2 * found_K]) / either_K**2
    return Estimate(float(f1_K.mean()), float(np.sqrt(np.sum(by**2 * variances))) / len(f1_K))
