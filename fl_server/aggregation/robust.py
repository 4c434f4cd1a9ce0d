"""Coordinate-wise statistics of a round's changes, which withstand malicious sites."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fl_common.configuration.rules import inside, require_fields
from fl_common.params import blocks
from fl_common.vocabulary import Doubles, Floats, LocalUpdate, Parameters
from fl_server.aggregation import Fold, check_any, check_update


@dataclass(frozen=True)
class TrimmedMean:
    """Coordinate-wise trimmed mean (Yin et al. 2018, definition 2), against malicious sites.

    In each coordinate the ``floor(share * updates)`` smallest and as many largest values are left
    out; a share below 1 / updates therefore leaves out nothing. Weights are not used: a site could
    buy influence with its own. **Needs all updates of a round in memory**; does not depend on
    their order.

    Raises:
        InvalidConfiguration: ``share`` outside [0, 0.5).
    """

    share: float

    def __post_init__(self) -> None:
        require_fields("strategy.aggregator", self, share=inside("[0, 0.5)"))

    def start(self, parameters: Parameters) -> Fold:
        """No updates yet."""
        return _Gathered(parameters, self._mean)

    def _mean(self, values_UB: Doubles) -> Doubles:
        updates = len(values_UB)
        cut = math.floor(self.share * updates + 1e-9)  # 0.29 * 100 is 28.999999999999996
        cut = min(cut, (updates - 1) // 2)  # a share just below 0.5 leaves one value
        values_UB.sort(axis=0)
        return np.asarray(values_UB[cut : updates - cut].mean(axis=0))


class CoordinateMedian:
    """Coordinate-wise median (Yin et al. 2018, definition 1), against malicious sites.

    Weights are not used. **Needs all updates of a round in memory**; does not depend on their
    order.
    """

    def start(self, parameters: Parameters) -> Fold:
        """No updates yet."""
        return _Gathered(parameters, lambda values_UB: np.asarray(np.median(values_UB, axis=0)))


class _Gathered:
    """All changes of a round, and a statistic over them: (updates, block) -> (block,), float64."""

    def __init__(self, parameters: Parameters, statistic: Callable[[Doubles], Doubles]) -> None:
        self._shapes = {name: array.shape for name, array in parameters.items()}
        self._statistic = statistic
        self._deltas: list[Parameters] = []

    @property
    def count(self) -> int:
        return len(self._deltas)

    def add(self, update: LocalUpdate) -> None:
        check_update(update, self._shapes)
        self._deltas.append(update.delta)

    def result(self) -> Parameters:
        check_any(self.count)
        return {name: self._reduced(name, shape) for name, shape in self._shapes.items()}

    def _reduced(self, name: str, shape: tuple[int, ...]) -> Floats:
        columns = [delta[name].reshape(-1) for delta in self._deltas]
        reduced_E = np.empty(columns[0].size, dtype=np.float32)
        for block in blocks(reduced_E.size):
            values_UB = np.stack([column_E[block] for column_E in columns], dtype=np.float64)
            reduced_E[block] = self._statistic(values_UB)
        return reduced_E.reshape(shape)
