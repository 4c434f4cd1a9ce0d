"""The readings of one sensor that open windows may still need, and the values between them.

Readings of a sensor with the same time stamp are merged into one. If both have a value for a
channel, the smaller one is taken, so that neither order nor repetition matters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Integers


class Track:
    """A growing, trimmed record of one sensor's readings with C channels.

    Between two readings their values are interpolated linearly, or else the first of the two holds
    until the second, for ``hold_ns`` at most.
    """

    def __init__(self, channels: int, hold_ns: int | None = None) -> None:
        self._hold_ns = hold_ns
        self._times_N: Integers = np.empty(0, np.int64)
        self._values_NC: Doubles = np.empty((0, channels))
        self._new: list[tuple[Integers, Doubles]] = []
        self.newest_ns: int | None = None
        """The highest stamp ever added."""
        self.merged = 0
        """Readings of which a value gave way to another one of the same instant."""

    def add(self, times_N: Integers, values_NC: NDArray[np.floating]) -> None:
        """Add readings in any order; a value that is not finite counts as missing."""
        doubles_NC = values_NC.astype(np.float64)
        doubles_NC[~np.isfinite(doubles_NC)] = np.nan
        newest = int(times_N.max())
        self.newest_ns = newest if self.newest_ns is None else max(newest, self.newest_ns)
        if self._hold_ns is not None:  # what says nothing would be kept as long as what holds
            says_N = ~np.isnan(doubles_NC).all(axis=1)
            times_N, doubles_NC = times_N[says_N], doubles_NC[says_N]
        self._new.append((times_N, doubles_NC))

    def forget_before(self, time_ns: int) -> None:
        """Drop readings older than ``time_ns``, but for the last value of a channel that holds."""
        self._settle()
        first = int(np.searchsorted(self._times_N, time_ns))
        if first and self._hold_ns is not None:
            oldest = int(np.searchsorted(self._times_N, time_ns - self._hold_ns))
            first = max(oldest, min(self._last_before(first)))
        if first:
            self._times_N, self._values_NC = self._times_N[first:], self._values_NC[first:]

    def last_before(self, time_ns: int) -> list[tuple[int, int, float]]:
        """Channel, stamp and value of each channel's last value before ``time_ns``, if any."""
        self._settle()
        end = int(np.searchsorted(self._times_N, time_ns))
        return [
            (channel, int(self._times_N[row]), float(self._values_NC[row, channel]))
            for channel, row in enumerate(self._last_before(end))
            if row < end
        ]

    def _last_before(self, end: int) -> list[int]:
        """For each channel the row of its last value before row ``end``; ``end`` itself if none."""
        is_there_NC = ~np.isnan(self._values_NC[:end])
        return [
            end - 1 - int(np.argmax(there_N[::-1])) if there_N.any() else end
            for there_N in is_there_NC.T
        ]

    @property
    def times_N(self) -> Integers:
        """The stamps, sorted and without duplicates."""
        self._settle()
        return self._times_N

    def at(self, grid_KT: Integers) -> "Between":
        """The values at the grid's times; channels with missing values on their own."""
        self._settle()
        low, high = np.searchsorted(self._times_N, (grid_KT[0, 0], grid_KT[-1, -1]))
        rows = slice(max(low - 1, 0), high + 2)
        times_N, values_NC = self._times_N[rows], self._values_NC[rows]
        is_there_NC = ~np.isnan(values_NC)
        if not is_there_NC.all():  # some values are missing: each channel on its own
            each = [self._channel(c).at(grid_KT) for c in range(values_NC.shape[1])]
            return Between(
                np.concatenate([b.values_KTC for b in each], axis=2),
                np.max([b.widths_KT for b in each], axis=0),
                np.max([b.ages_KT for b in each], axis=0),
            )
        return _between(times_N, values_NC, grid_KT, self._hold_ns is not None)

    def _channel(self, channel: int) -> "Track":
        """A track of only one channel's readings."""
        own = Track(1, self._hold_ns)
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
            sorted_NC = values_NC[order_N]
            times_N, first_N, of_N = np.unique(
                times_N[order_N], return_index=True, return_inverse=True
            )
            values_NC = np.fmin.reduceat(sorted_NC, first_N, axis=0)
            gave_way_NC = ~np.isnan(sorted_NC) & (sorted_NC != values_NC[of_N])
            self.merged += int(gave_way_NC.any(axis=1).sum())
        self._times_N, self._values_NC = times_N, values_NC


@dataclass(frozen=True, slots=True)
class Between:
    """Values (K, T, C) at a grid, and ``widths_KT``: the time between the two readings of each.

    The width is 0 where a reading lies on the grid, and the value is then that reading's, exactly.
    It is ``NOWHERE`` where there is no reading on one side. ``ages_KT`` is the time since the
    reading before, or ``NOWHERE``, and the same as the widths where nothing holds.
    """

    values_KTC: Doubles
    widths_KT: Integers
    ages_KT: Integers


NOWHERE = np.iinfo(np.int64).max


def _between(times_N: Integers, values_NC: Doubles, grid_KT: Integers, holds: bool) -> Between:
    shape = (*grid_KT.shape, values_NC.shape[1])
    if not len(times_N):
        nowhere_KT = np.full(grid_KT.shape, NOWHERE)
        return Between(np.full(shape, np.nan), nowhere_KT, nowhere_KT)
    right_KT = np.searchsorted(times_N, grid_KT).clip(max=len(times_N) - 1)
    is_on_KT = times_N[right_KT] == grid_KT
    left_KT = np.where(is_on_KT, right_KT, right_KT - 1).clip(min=0)
    before_KT, after_KT = times_N[left_KT], times_N[right_KT]
    widths_KT = after_KT - before_KT
    is_outside_KT = (grid_KT < before_KT) | (grid_KT > after_KT)
    widths_KT = np.where(is_outside_KT, NOWHERE, widths_KT)
    if holds:
        return _held(times_N, values_NC, grid_KT, widths_KT)
    share_KT = (grid_KT - before_KT) / np.maximum(after_KT - before_KT, 1)
    weight_KT1 = share_KT[..., None]
    values_KTC = values_NC[left_KT] * (1 - weight_KT1) + values_NC[right_KT] * weight_KT1
    return Between(values_KTC, widths_KT, widths_KT)


def _held(times_N: Integers, values_NC: Doubles, grid_KT: Integers, widths_KT: Integers) -> Between:
    """The value of the last reading at or before each time."""
    last_KT = np.searchsorted(times_N, grid_KT, side="right") - 1
    ages_KT = np.where(last_KT < 0, NOWHERE, grid_KT - times_N[last_KT])
    return Between(values_NC[last_KT], widths_KT, ages_KT)
