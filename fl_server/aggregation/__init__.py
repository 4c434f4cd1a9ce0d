"""The aggregator protocol: combines the updates of one round into their mean change.

An aggregator starts one fold per round. Each update is checked completely before any of it counts,
so a site with an invalid update is left out and can't corrupt the others. The result is a change of
parameters; ``fl_server.optimisers`` turns it into the next global parameters.
"""

import math
from typing import Protocol

import numpy as np

from fl_common import params
from fl_common.errors import JoinTheDotsError, RunFailed
from fl_common.vocabulary import LocalUpdate, Parameters

__all__ = [
    "Aggregator",
    "BadUpdate",
    "Fold",
    "check_any",
    "check_update",
]

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
    """A rule that combines many changes into one. Holds only configuration, no state of a round."""

    def start(self, parameters: Parameters) -> Fold:
        """An empty fold for changes of ``parameters``, of which only names and shapes are read."""
        ...


def check_update(
    update: LocalUpdate, shapes: dict[str, tuple[int, ...]], length: float | None = None
) -> None:
    """Raise BadUpdate unless ``update`` can be counted among changes of these names and shapes.

    It must have exactly these arrays, float32 and finite, and a usable weight. All of it is checked
    before any of it is added: a floating-point addition can't be undone exactly, and adding into a
    second sum would double the memory of a fold and save no time. ``length`` is the update's norm,
    if it is known: where that is finite, every entry is.
    """
    if not 1 / _LARGEST_WEIGHT <= update.weight <= _LARGEST_WEIGHT:
        raise BadUpdate(update.site, f"its weight {update.weight} is not a usable number above 0")
    if update.delta.keys() != shapes.keys():
        odd = ", ".join(sorted(update.delta.keys() ^ shapes.keys()))
        raise BadUpdate(update.site, f"arrays missing or unknown: {odd[:200]}")
    for name, array in update.delta.items():
        if array.shape != shapes[name]:
            raise BadUpdate(update.site, f"{name} has shape {array.shape}, not {shapes[name]}")
        if array.dtype != np.float32:
            raise BadUpdate(update.site, f"{name} is {array.dtype}, not float32")
        known = length is not None and math.isfinite(length)
        if not known and not params.is_finite_array(array):
            raise BadUpdate(update.site, f"{name} is not finite everywhere")


def check_any(count: int) -> None:
    """Raise RunFailed where no update was counted."""
    if count == 0:
        raise RunFailed("no site sent a usable update in this round, so there is no mean change")
