"""From the updates of one round to their mean change: aggregators that fold.

An aggregator starts one fold a round. Each update is checked as a whole before any of it counts,
so a site whose update is unusable is left out and can't poison the others. The result is a change
of parameters; ``fl_server.optimisers.adaptive`` turns it into the next global parameters.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fl_common.errors import JoinTheDotsError, RunFailed
from fl_common.vocabulary import Doubles, Floats, LocalUpdate, Parameters
from fl_server.checks import check_number

_BLOCK = 1 << 16
"""Entries worked on at once: keeps the float64 copies of a large array within 512 KiB."""

_LARGEST_WEIGHT = 2.0**53
"""Counts up to here are exact in float64; within it and its inverse no weighted sum overflows."""


class BadUpdate(JoinTheDotsError):
    """An update that can't be counted: the site is left out of the round."""

    def __init__(self, site: str, reason: str) -> None:
        super().__init__(f"update of site {site} left out: {reason}")
        self.site, self.reason = site, reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.site, self.reason)


class Fold(Protocol):
    """The updates of one round so far."""

    @property
    def count(self) -> int:
        """Updates counted so far."""
        ...

    def add(self, update: LocalUpdate) -> None:
        """Count ``update``.

        Raises:
            BadUpdate: it can't be used; the fold is as it was before.
        """
        ...

    def result(self) -> Parameters:
        """The mean change, float32, with the names and shapes of the global parameters.

        Raises:
            RunFailed: no update was counted.
        """
        ...


class Aggregator(Protocol):
    """A rule that makes one change out of many. Holds configuration only, no state of a round."""

    def start(self, parameters: Parameters) -> Fold:
        """An empty fold for changes of ``parameters``, of which only names and shapes are read."""
        ...


class WeightedMean:
    """Mean of the changes by declared weight (FedAvg: McMahan et al. 2017, algorithm 1).

    Adds each update to a running float64 sum and lets go of it: memory is one sum, whatever the
    number of updates. The order of arrival changes the result by rounding in float64 only.
    """

    def start(self, parameters: Parameters) -> Fold:
        """A sum of zeros."""
        return WeightedSum(parameters)


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
        check_number(
            "strategy.aggregator.share", self.share, lambda s: 0 <= s < 0.5, "must lie in [0, 0.5)"
        )

    def start(self, parameters: Parameters) -> Fold:
        """No updates yet."""
        return _Gathered(parameters, self._mean)

    def _mean(self, values_UB: Doubles) -> Doubles:
        updates = len(values_UB)
        cut = math.floor(self.share * updates + 1e-9)  # 0.29 * 100 is 28.999999999999996
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


class WeightedSum:
    """The running sum of ``weight * delta`` in float64, and the weights' sum."""

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
            for block in _blocks(sums_E.size):
                sums_E[block] += np.multiply(delta_E[block], weight, dtype=np.float64)
        self._weight += weight
        self._count += 1

    def result(self) -> Parameters:
        """See ``Fold``."""
        _check_any(self._count)
        return {name: divided(sums, self._weight) for name, sums in self.sums.items()}


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
        _check_any(self.count)
        return {name: self._reduced(name, shape) for name, shape in self._shapes.items()}

    def _reduced(self, name: str, shape: tuple[int, ...]) -> Floats:
        columns = [delta[name].reshape(-1) for delta in self._deltas]
        reduced_E = np.empty(columns[0].size, dtype=np.float32)
        for block in _blocks(reduced_E.size):
            values_UB = np.stack([column_E[block] for column_E in columns], dtype=np.float64)
            reduced_E[block] = self._statistic(values_UB)
        return reduced_E.reshape(shape)


def check_update(update: LocalUpdate, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raise BadUpdate unless ``update`` can be counted among changes of these names and shapes.

    It must have exactly these arrays, float32 and finite, and a usable weight.
    """
    if not 1 / _LARGEST_WEIGHT <= update.weight <= _LARGEST_WEIGHT:
        raise BadUpdate(update.site, f"its weight {update.weight} is no usable number above 0")
    if update.delta.keys() != shapes.keys():
        odd = ", ".join(sorted(update.delta.keys() ^ shapes.keys()))
        raise BadUpdate(update.site, f"arrays missing or unknown: {odd[:200]}")
    for name, array in update.delta.items():
        if array.shape != shapes[name]:
            raise BadUpdate(update.site, f"{name} has shape {array.shape}, not {shapes[name]}")
        if array.dtype != np.float32:
            raise BadUpdate(update.site, f"{name} is {array.dtype}, not float32")
        if not np.isfinite(array).all():
            raise BadUpdate(update.site, f"{name} is not finite everywhere")


def _blocks(size: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))


def divided(sums: Doubles, weight: float) -> Floats:
    """``sums / weight`` in float32."""
    mean = np.empty(sums.shape, dtype=np.float32)
    np.divide(sums, weight, out=mean, casting="same_kind")
    return mean


def _check_any(count: int) -> None:
    if count == 0:
        raise RunFailed("no site sent a usable update in this round, so there is no mean change")
