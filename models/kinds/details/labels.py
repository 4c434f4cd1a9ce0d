"""Details of labels, of windows or of readings: balanced accuracy and macro F1."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Task
from models.kinds import kind_of
from models.kinds.details.counted import is_clear, mean_f1, mean_share, unclear
from models.kinds.details.protocol import BesideGuess, Estimate


class LabelDetails:
    """Of each label the windows that are named right, those missed, and those named so wrongly.

    A window that is right adds 1 to its score and 1 to one detail; another adds 0 to its score and
    1 to two details. So both have a norm of sqrt(2), and all weights are 1.

    Where each of a window's readings has a label, it adds shares of its readings. Its score and
    details are then the mean of those that its readings would have, whose norm is no larger.
    """

    guessed = "accuracy"

    def __init__(self, task: Task) -> None:
        self._labels, self.steps = task.labels, kind_of(task).score_steps
        self.weights_M = np.ones(3 * len(task.labels))

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """Right, missed and wrongly named windows of each label (3 K,)."""
        truth_N, predicted_N = truth_N.ravel(), predicted_N.ravel()
        is_right_N = truth_N == predicted_N
        each = (truth_N[is_right_N], truth_N[~is_right_N], predicted_N[~is_right_N])
        size = len(self._labels)
        counts = [np.bincount(one.astype(np.int64), minlength=size) for one in each]
        return np.concatenate(counts) / self.steps

    def estimates(
        self, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> Mapping[str, Estimate]:
        """The means over labels whose windows are clear of the noise, of two labels at least."""
        clear_K = is_clear(sums_M, variances_M)
        if np.count_nonzero(clear_K) < min(2, len(self._labels)):
            return {}
        counts, variances = (each.reshape(3, -1)[:, clear_K] for each in (sums_M, variances_M))
        right_K, missed_K, _ = counts
        truth_K = right_K + missed_K
        by = np.stack([missed_K, -right_K, 0 * right_K]) / truth_K**2
        return {
            "balanced_accuracy": mean_share(right_K / truth_K, by, variances),
            "macro_f1": mean_f1(counts, variances),
        }

    def beside_guess(
        self, score: Estimate, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> BesideGuess | None:
        """The accuracy beside the share of the most frequent label."""
        of_label_2K = [each.reshape(3, -1)[:2].sum(0) for each in (sums_M, variances_M)]
        most = int(of_label_2K[0].argmax())
        count, variance = (float(each[most]) for each in of_label_2K)
        share = count / windows.value
        error = math.hypot(math.sqrt(variance), share * windows.error) / windows.value
        return BesideGuess(self.guessed, score, Estimate(share, error))

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """Each window is either right or missed, and named so wrongly once at most."""
        sums_M, size = sums_M.clip(-slack_M, windows + slack_M), 2 * len(self._labels)
        for part in (slice(0, size), slice(size, None)):
            most = windows + float(np.linalg.norm(slack_M[part]))
            sums_M[part] *= min(1.0, most / max(float(sums_M[part].sum()), most, 1e-9))
        return sums_M

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """See ``Details``; without noise, those without windows."""
        return unclear(self._labels, sums_M, variances_M)

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """See ``Details``."""
        right_K, _, wrong_K = sums_M.reshape(3, -1)
        return dict(zip(self._labels, (right_K + wrong_K).tolist(), strict=True))
