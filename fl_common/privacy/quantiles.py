"""Quantiles of private values in noised histograms: of readings, scores, losses.

A window has one vote for each of ``C`` quantities (a channel's readings, say), which its values
share equally: a vector of ``C`` histograms, each of which sums to at most 1. So adding or removing
a window moves the sum of all votes by at most ``sensitivity(C) = sqrt(C)`` in L2 norm, whatever the
values and the edges are. The caller divides by it and applies its plan's Gaussian mechanism: this
module draws no noise, and reads noised sums alone.

Nobody knows the values' order of magnitude, so the first bins grow by powers of four on either side
of zero. Each further histogram has bins of equal width where the last one had votes that noise does
not explain (``Reading.edges``): a phase costs one more release, and divides the error by about
ten.
All of it is post-processing of noised sums (Dwork and Roth 2014, proposition 2.1). A search by
histograms rather than by bisection: one release of a whole histogram has the L2 norm of one count.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fl_common.vocabulary import Doubles, Floats

BINS = 56
"""Of every histogram, whatever its phase: an update has one size."""

LOWEST, HIGHEST = 0.1, 0.9
"""The quantiles that a spread is read from."""

_NORMAL_SPREAD = 2.563
"""What lies between them for a standard normal: a spread is a standard deviation there."""

_SMALLEST, _BASE = 4.0**-11, 4.0
_LINEAR = 16
"""Inner bins of equal width."""

_SURE = 5.5
"""Standard deviations of their noise that the votes in a range must pass, the best of 1,500."""

_LEAST_SEEN = 0.4
"""Of all votes must be in the range."""

_RARE = 0.01
"""A bin with a smaller share of the votes does not widen the range."""

MOST_OFF = 3.0
"""What a spread may be off by, and count as known."""

_MARGIN = 0.1
"""Of the range is looked at beyond it in the next phase, and what is not seen."""


def sensitivity(quantities: int) -> float:
    """The L2 norm of a window's votes on so many quantities, at most."""
    return math.sqrt(quantities)


def first_edges(quantities: int) -> Doubles:
    """Edges (C, BINS - 1) on both sides of zero, from 2e-7 to 1e9 in powers of four."""
    right = _SMALLEST * _BASE ** np.arange((BINS - 1) // 2)
    left = -right[::-1]
    return np.tile(np.concatenate([left, [0.0], right]), (quantities, 1))


def votes(values_NVC: Floats | Doubles, edges_CE: Floats | Doubles) -> Doubles:
    """The sum of all windows' votes, shape (C, BINS); ``values_NVC`` has V values a window.

    A value that is not finite votes for nothing. The edges may be any numbers, and are put in
    order: each value falls into one bin by itself. Among edges without order NumPy's search begins
    where it found the value before, so that one window would move the votes of all that follow.
    """
    windows, values, quantities = values_NVC.shape
    ordered_CE: Doubles = np.sort(edges_CE.astype(np.float64), axis=1)
    sums_CB = np.zeros((quantities, edges_CE.shape[1] + 1))
    for quantity in range(quantities):
        of_one = values_NVC[:, :, quantity].ravel()
        of_one = of_one[np.isfinite(of_one)]
        bin_of = np.searchsorted(ordered_CE[quantity], of_one, side="right")
        sums_CB[quantity] = np.bincount(bin_of, minlength=sums_CB.shape[1])
    return sums_CB / max(values, 1) if windows else sums_CB


@dataclass(frozen=True)
class Reading:
    """What noised votes on bins tell of one quantity.

    ``low``, ``median`` and ``high`` are the quantiles ``LOWEST``, 0.5 and ``HIGHEST``; ``width`` is
    that of a bin at the median. ``is_resolved``: they are several bins apart; otherwise nearly
    all values are in one bin, and only ``median`` means something. ``least`` and ``most`` is what
    lies between ``low`` and ``high`` if their noise was a standard deviation, and a bin, one way or
    the other. ``edges`` are for the next histogram.
    """

    low: float
    median: float
    high: float
    width: float
    is_resolved: bool
    least: float
    most: float
    edges: Doubles

    @property
    def is_sure(self) -> bool:
        """Whether ``least`` and ``most`` tell the spread within a factor of ``MOST_OFF``."""
        between = self.high - self.low
        return between < MOST_OFF * self.least and self.most < MOST_OFF * between

    @property
    def spread(self) -> float:
        """As a standard deviation: that of a normal distribution with these quantiles."""
        return max((self.high - self.low) / _NORMAL_SPREAD, self.width / 2)


def total_of(counts_CB: Doubles) -> float:
    """All votes on one quantity, which are as many for each: the mean, whose noise is small."""
    return max(float(counts_CB.sum(1).mean()), 0.0)


def read(counts_B: Doubles, edges_E: Doubles, noise: float, total: float) -> Reading | None:
    """What ``counts_B``, of ``total`` votes, on the bins between ``edges_E`` tell.

    Each count has noise of the standard deviation ``noise``. The outermost bins have no end. None:
    the noise explains all votes, most of them are nowhere to be seen, or the median lies in an
    outermost bin.
    """
    ends, (first, last) = _ends(edges_E), _range(counts_B, max(noise, _RARE * total))
    inner = counts_B[first : last + 1]
    seen = float(inner.sum())
    if seen < max(_SURE * noise * math.sqrt(inner.size), _LEAST_SEEN * total) or seen <= 0:
        return None
    beside = max(total - seen, 0.0) / 2
    sums = beside + np.maximum.accumulate(np.concatenate([[0.0], np.cumsum(inner)]).clip(0))
    wanted = np.array([LOWEST, 0.5, HIGHEST]) * (sums[-1] + beside)
    low, median, high = np.interp(wanted, sums, ends[first : last + 2]).tolist()
    at = int(np.clip(np.searchsorted(ends, median, side="right") - 1, 0, len(counts_B) - 1))
    if at in (0, len(counts_B) - 1):
        return None
    reach = (ends[last + 1] - ends[first]) * (_MARGIN + beside / max(total, seen))
    edges = _inside(ends[first] - reach, ends[last + 1] + reach)
    width = float(ends[at + 1] - ends[at])
    astray = noise * math.sqrt(inner.size)
    most, least = (
        np.diff(np.interp(wanted[[0, 2]] + [-by, by], sums, ends[first : last + 2])).item()
        for by in (astray, -astray)
    )
    errors = least - width, most + width
    return Reading(low, median, high, width, inner.size > 2, *errors, edges)


def quantile_of(counts_B: Doubles, edges_E: Doubles, noise: float, share: float) -> float | None:
    """Where ``share`` of the votes ``counts_B`` on the bins between ``edges_E`` lie below.

    Each count has noise of the standard deviation ``noise``; of bins beyond those that noise does
    not explain nothing is known, and they count as empty. One release, so that fixed edges must
    divide all that can be. None: the noise explains all votes.
    """
    first, last = _range(counts_B, noise)
    inner = counts_B[first : last + 1]
    if inner.sum() <= _SURE * noise * math.sqrt(inner.size) or inner.sum() <= 0:
        return None
    sums = np.maximum.accumulate(np.concatenate([[0.0], np.cumsum(inner)]).clip(0))
    return float(np.interp(share * sums[-1], sums, _ends(edges_E)[first : last + 2]))


def _range(counts_B: Doubles, price: float) -> tuple[int, int]:
    """The bins (first, last) that have most votes beyond a ``price`` for each."""
    sums = np.concatenate([[0.0], np.cumsum(counts_B - price)])
    gain = np.where(np.tri(len(sums), k=-1, dtype=bool), sums[:, None] - sums[None, :], -np.inf)
    after, first = np.unravel_index(int(gain.argmax()), gain.shape)
    return int(first), int(after) - 1


def _ends(edges_E: Doubles) -> Doubles:
    """The bins' ends (BINS + 1,): an outermost bin is taken to be as wide as its neighbour."""
    first, last = edges_E[1] - edges_E[0], edges_E[-1] - edges_E[-2]
    return np.array([edges_E[0] - first, *edges_E, edges_E[-1] + last])


def _inside(low: float, high: float) -> Doubles:
    """Edges of equal bins from ``low`` to ``high``, and as wide ones beyond on either side."""
    width = (high - low) / _LINEAR
    beyond = (BINS - 2 - _LINEAR) // 2
    places_E = np.arange(-beyond, BINS - 1 - beyond, dtype=np.float64)
    edges_E: Doubles = low + width * places_E
    return edges_E


@dataclass(frozen=True)
class Scale:
    """A median and a spread, as a standard deviation, of one quantity.

    ``is_rough``: nearly all values are alike, and the spread is their order of magnitude only.
    ``is_noisy``: noise may have it more than ``MOST_OFF`` times too small or too large.
    """

    center: float
    spread: float
    is_rough: bool
    is_noisy: bool


def scale_of(readings: Sequence[Reading | None]) -> Scale | None:
    """What the phases' ``readings`` of one quantity tell together; None: nothing.

    Where even the last phase that tells something has nearly all values in one bin, they are a
    constant and few others: the spread is the first phase's, their order of magnitude.
    """
    known = [reading for reading in readings if reading is not None]
    if not known or readings[0] is None:
        return None
    last = known[-1]
    spread = last.spread if last.is_resolved else known[0].width
    is_hidden = readings[-1] is None  # so what is alike in the last one known may differ
    is_noisy = not last.is_sure if last.is_resolved else is_hidden
    is_rough = not (last.is_resolved or is_hidden)
    return Scale(last.median, spread, is_rough, is_noisy) if spread > _SMALLEST else None
