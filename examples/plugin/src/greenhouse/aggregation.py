"""A mean in which no site can move the model far."""

from dataclasses import dataclass

from fl_common import params
from fl_common.configuration.rules import above, require
from fl_common.vocabulary import LocalUpdate, Parameters
from fl_server.aggregation import Fold
from fl_server.aggregation.mean import WeightedSum


@dataclass(frozen=True)
class ClippedMean:
    """The mean of the changes, each shortened to an L2 norm of at most ``limit``; no weights.

    Raises:
        InvalidConfiguration: ``limit`` is not above 0.
    """

    limit: float

    def __post_init__(self) -> None:
        require("strategy.aggregator.limit", self.limit, above(0))

    def start(self, parameters: Parameters) -> Fold:
        """A sum of zeros."""
        return _ClippedSum(parameters, self.limit)


class _ClippedSum(WeightedSum):
    def __init__(self, parameters: Parameters, limit: float) -> None:
        super().__init__(parameters)
        self._limit = limit

    def add(self, update: LocalUpdate) -> None:
        """See ``Fold``."""
        self.check(update)
        length = params.norm(update.delta)
        shorter = min(1.0, self._limit / length) if length else 1.0
        delta = {name: array * array.dtype.type(shorter) for name, array in update.delta.items()}
        self.accumulate(delta, 1.0)
