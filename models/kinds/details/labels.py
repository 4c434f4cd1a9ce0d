"""Details of labels: balanced accuracy and macro F1."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Task
from models.kinds.details.protocol import Estimate

_CLEAR = 3.0
"""Standard errors that the number of a label's windows must exceed."""


class LabelDetails:
    """Of each label the windows that are named right, those missed, and those named so wrongly.

    A window that is right adds 1 to its score and 1 to one detail; another adds 0 to its score and
    1 to two details. So both have a norm of sqrt(2), and all weights are 1.
    """

    steps = 1

    def __init__(self, task: Task) -> None:
        self._labels = task.labels
        self.weights_M = np.ones(3 * len(task.labels))

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """Right, missed and wrongly named windows of each label (3 K,)."""
        is_right_N = truth_N == predicted_N
        each = (truth_N[is_right_N], truth_N[~is_right_N], predicted_N[~is_right_N])
        size = len(self._labels)
        counts = [np.bincount(one.astype(np.int64), minlength=size) for one in each]
        return np.concatenate(counts).astype(np.float64)

    def estimates(
        self, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> Mapping[str, Estimate]:
        """The means over labels whose windows are clear of the noise, of two labels at least."""
        clear_K = self._is_clear(sums_M, variances_M)
        if np.count_nonzero(clear_K) < min(2, len(self._labels)):
            return {}
        right_K, missed_K, wrong_K = sums_M.reshape(3, -1)[:, clear_K]
        variances = variances_M.reshape(3, -1)[:, clear_K]
        truth_K = right_K + missed_K
        recall_K = right_K / truth_K
        by_recall = np.stack([missed_K, -right_K, 0 * right_K]) / truth_K**2
        either_K = np.maximum(truth_K + right_K + wrong_K, truth_K)
        f1_K = 2 * right_K / either_K
        by_f1 = np.stack([2 * (missed_K + wrong_K), -2 * right_K, -2 * right_K]) / either_K**2
        return {
            "balanced_accuracy": _mean(recall_K, by_recall, variances),
            "macro_f1": _mean(f1_K, by_f1, variances),
        }

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """Each window is either right or missed, and named so wrongly once at most."""
        sums_M, size = sums_M.clip(-slack_M, windows + slack_M), 2 * len(self._labels)
        for part in (slice(0, size), slice(size, None)):
            most = windows + float(np.linalg.norm(slack_M[part]))
            sums_M[part] *= min(1.0, most / max(float(sums_M[part].sum()), most, 1e-9))
        return sums_M

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """See ``Details``; without noise, those without windows."""
        clear_K = self._is_clear(sums_M, variances_M)
        return tuple(name for name, clear in zip(self._labels, clear_K, strict=True) if not clear)

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """See ``Details``."""
        right_K, _, wrong_K = sums_M.reshape(3, -1)
        return dict(zip(self._labels, (right_K + wrong_K).tolist(), strict=True))

    def _is_clear(self, sums_M: Doubles, variances_M: Doubles) -> NDArray[np.bool_]:
        (right_K, missed_K, _), variances = sums_M.reshape(3, -1), variances_M.reshape(3, -1)
        return np.asarray(right_K + missed_K > _CLEAR * np.sqrt(variances[0] + variances[1]))


def _mean(shares_K: Doubles, by: Doubles, variances: Doubles) -> Estimate:
    """The mean of shares; ``by`` are their derivatives by sums with these variances, (3, K)."""
    error = float(np.sqrt(np.sum(by**2 * variances))) / len(shares_K)
    return Estimate(float(shares_K.clip(0.0, 1.0).mean()), error)
