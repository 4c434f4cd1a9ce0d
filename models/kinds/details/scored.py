"""Details of anomaly scores: AUROC, where people have told of anomalies."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Task
from models.kinds.anomaly import ANOMALOUS, area_under, score_edges
from models.kinds.details.protocol import CLEAR, BesideGuess, Estimate

_BINS = 32


class ScoreDetails:
    """Histograms of the scores of normal windows and of anomalous ones, on fixed bins.

    A window adds 1 to one bin: the weight is 1.
    """

    guessed = "auroc"
    steps = 1

    def __init__(self, task: Task) -> None:
        self._edges = score_edges(_BINS)
        self.weights_M = np.ones(2 * _BINS)

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """Normal windows, then anomalous ones, in each bin (2 B,); no number is the largest."""
        score_N = np.nan_to_num(predicted_N[:, 0].astype(np.float64), nan=np.inf)
        bin_N = np.searchsorted(self._edges, score_N) + _BINS * (truth_N == ANOMALOUS)
        return np.bincount(bin_N, minlength=2 * _BINS).astype(np.float64)

    def estimates(
        self, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> Mapping[str, Estimate]:
        """AUROC, where normal and anomalous windows are clear of the noise.

        Of a normal and an anomalous window in one bin, each is as likely to be the odder one.
        """
        counts, variances = sums_M.reshape(2, -1), variances_M.reshape(2, -1)
        normal, odd = counts.sum(1).tolist()
        if min(normal, odd) <= 0 or (counts.sum(1) <= CLEAR * np.sqrt(variances.sum(1))).any():
            return {}
        area = area_under(counts[0], counts[1])
        below_B = (np.cumsum(counts[0]) - counts[0] / 2) / normal
        above_B = 1 - (np.cumsum(counts[1]) - counts[1] / 2) / odd
        by = np.stack([(above_B - area) / normal, (below_B - area) / odd])
        error = math.sqrt(float(np.sum(by**2 * variances)))
        return {self.guessed: Estimate(min(max(area, 0.0), 1.0), error)}

    def beside_guess(
        self, score: Estimate, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> BesideGuess | None:
        """AUROC beside a half; None where it can't be told."""
        area = self.estimates(windows, sums_M, variances_M).get(self.guessed)
        return BesideGuess(self.guessed, area, Estimate(0.5, 0.0)) if area else None

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """Each window is in one bin."""
        sums_M = sums_M.clip(-slack_M, windows + slack_M)
        most = windows + float(np.linalg.norm(slack_M))
        return sums_M * min(1.0, most / max(float(sums_M.sum()), most, 1e-9))

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """None."""
        return ()

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """None."""
        return {}
