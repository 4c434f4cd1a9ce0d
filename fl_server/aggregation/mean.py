"""The mean of a round's changes by declared weight (FedAvg), as one running sum."""

import numpy as np

from fl_common.params import blocks
from fl_common.vocabulary import Doubles, Floats, LocalUpdate, Parameters
from fl_server.aggregation import Fold, check_any, check_update


class WeightedMean:
    """Mean of the changes by declared weight (FedAvg: McMahan et al. 2017, algorithm 1).

    Adds each update to a running float64 sum and discards it: memory is one sum, whatever the
    number of updates. The order of arrival affects the result only by float64 rounding.
    """

    def start(self, parameters: Parameters) -> Fold:
        """A sum of zeros."""
        return WeightedSum(parameters)


class WeightedSum:
    """The running sum of ``weight * delta`` in float64, and the sum of the weights."""

    def __init__(self, parameters: Parameters) -> None:
        self._shapes = {name: array.shape for name, array in parameters.items()}
        self._weight = 0.0
        self._count = 0
        self.sums = {name: np.zeros(shape) for name, shape in self._shapes.items()}

    @property
    def count(self) -> int:
        """Updates counted so far."""
        return self._count

    def add(self, update: LocalUpdate) -> None:
        """See ``Fold``."""
        self.check(update)
        self.accumulate(update.delta, update.weight)

    def check(self, update: LocalUpdate) -> None:
        """See ``check_update``."""
        check_update(update, self._shapes)

    def accumulate(self, delta: Parameters, weight: float) -> None:
        """Add a checked ``delta``, times ``weight`` in float64."""
        for name, sums in self.sums.items():
            sums_E, delta_E = sums.reshape(-1), delta[name].reshape(-1)
            for block in blocks(sums_E.size):
                sums_E[block] += np.multiply(delta_E[block], weight, dtype=np.float64)
        self._weight += weight
        self._count += 1

    def result(self) -> Parameters:
        """See ``Fold``."""
        check_any(self._count)
        return {name: divided(sums, self._weight) for name, sums in self.sums.items()}


def divided(sums: Doubles, weight: float) -> Floats:
    """``sums / weight`` in float32."""
    mean = np.empty(sums.shape, dtype=np.float32)
    np.divide(sums, weight, out=mean, casting="same_kind")
    return mean
