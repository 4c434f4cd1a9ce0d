"""The readings of one sensor that open windows may still need, and interpolation between them.

Readings of a sensor with the same time stamp are merged into one. If both have a value for a
channel, the smaller one is taken, so that neither order nor repetition matters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Integers


class Track:
    """A growing, trimmed record of one sensor's readings with C channels."""

    def __init__(self, channels: int) -> None:
        self._times_N: Integers = np.empty(0, np.int64)
        self._values_NC: Doubles = np.empty((0, channels))
        self._new: list[tuple[Integers, Doubles]] = []
        self.newest_ns: int | None = None
        """The highest stamp ever added."""

    def add(self, times_N: Integers, values_NC: NDArray[np.floating]) -> None:
        """Add readings in any order; a value that is not finite counts as missing."""
        doubles_NC = values_NC.astype(np.float64)
        doubles_NC[~np.isfinite(doubles_NC)] = np.nan
        self._new.append((times_N, doubles_NC))
        newest = int(times_N.max())
        self.newest_ns = newest if self.newest_ns is None else max(newest, self.newest_ns)

    def forget_before(self, time_ns: int) -> None:
        """Drop readings older than ``time_ns``."""
        self._settle()
        first = int(np.searchsorted(self._times_N, time_ns))
        if first:
            self._times_N, self._values_NC = self._times_N[first:], self._values_NC[first:]

    @property
    def times_N(self) -> Integers:
        """The stamps, sorted and without duplicates."""
        self._settle()
        return self._times_N

    def at(self, grid_KT: Integers) -> "Between":
        """Linear interpolation at the grid's times; channels with missing values on their own."""
        self._settle()
        low, high = np.searchsorted(self._times_N, (grid_KT[0, 0], grid_KT[-1, -1]))
        rows = slice(max(low - 1, 0), high + 2)
        times_N, values_NC = self._times_N[rows], self._values_NC[rows]
        is_there_NC = ~np.isnan(values_NC)
        if not is_there_NC.all():  # some values are missing: each channel on its own
            low_grid_times = [self._channel(c).at(grid_KT) for c in range(values_NC.shape[1])]
            return Between(
                np.concatenate([b.values_KTC for b in low_grid_times], axis=2),
                np.max([b.widths_KT for b in low_grid_times], axis=0),
            )
        return _between(times_N, values_NC, grid_KT)

    def _channel(self, channel: int) -> "Track":
        """A track of only one channel's readings."""
        own = Track(1)
        values_N1 = self._values_NC[:, channel : channel + 1]
        is_there_N = ~np.isnan(values_N1[:, 0])
        own._times_N, own._values_NC = self._times_N[is_there_N], values_N1[is_there_N]
        return own

    def _settle(self) -> None:
        """Merge new readings; cheap if they are in order, as they nearly always are."""
        if not self._new:
            return
        times_N = np.concatenate([self._times_N, *(times for times, _ in self._new)])
        values_NC = np.concatenate([self._values_NC, *(values for _, values in self._new)])
        self._new.clear()
        if not (np.diff(times_N) > 0).all():
            order_N = np.argsort(times_N, kind="stable")
            times_N, first_N = np.unique(times_N[order_N], return_index=True)
            values_NC = np.fmin.reduceat(values_NC[order_N], first_N, axis=0)
        self._times_N, self._values_NC = times_N, values_NC


@dataclass(frozen=True, slots=True)
class Between:
    """Values (K, T, C) at a grid, and ``widths_KT``: the time between the two readings of each.

    The width is 0 where a reading lies on the grid, and the value is then that reading's, exactly.
    It is ``NOWHERE`` where there is no reading on one side.
    """

    values_KTC: Doubles
    widths_KT: Integers


NOWHERE = np.iinfo(np.int64).max


def _between(times_N: Integers, values_NC: Doubles, grid_KT: Integers) -> Between:
    shape = (*grid_KT.shape, values_NC.shape[1])
    if not len(times_N):
        return Between(np.full(shape, np.nan), np.full(grid_KT.shape, NOWHERE))
    right_KT = np.searchsorted(times_N, grid_KT).clip(max=len(times_N) - 1)
    is_on_KT = times_N[right_KT] == grid_KT
    left_KT = np.where(is_on_KT, right_KT, right_KT - 1).clip(min=0)
    before_KT, after_KT = times_N[left_KT], times_N[right_KT]
    widths_KT = after_KT - before_KT
    share_KT = (grid_KT - before_KT) / np.maximum(widths_KT, 1)
    weight_KT1 = share_KT[..., None]
    values_KTC = values_NC[left_KT] * (1 - weight_KT1) + values_NC[right_KT] * weight_KT1
    is_outside_KT = (grid_KT < before_KT) | (grid_KT > after_KT)
    return Between(values_KTC, np.where(is_outside_KT, NOWHERE, widths_KT))
