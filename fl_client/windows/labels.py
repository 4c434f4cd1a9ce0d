"""The label of a window, from the intervals that people annotated.

A window has a label if the union of that label's intervals covers at least a given share of it, and
no other label's does. So the result depends only on the set of intervals: they may arrive before or
after the window, in any order, and more than once. If two labels reach the share, they contradict
each other and the window has no label.
"""

from collections.abc import Sequence

import numpy as np

from fl_client.sensors import Annotation
from fl_common.vocabulary import Integers

NO_LABEL = -1


def labels_of(
    starts_N: Integers,
    length_ns: int,
    annotations: Sequence[Annotation],
    labels: Sequence[str],
    share: float,
) -> Integers:
    """The index in ``labels`` of each window's label (N,), or ``NO_LABEL``.

    A window lasts ``length_ns`` from its start; ``share`` of it, above 0 and up to 1, must be
    covered. An annotation with a label that is not among ``labels`` has no effect.
    """
    found_N = np.full(len(starts_N), NO_LABEL, np.int64)
    rivals_N = np.zeros(len(starts_N), np.int64)
    for index, label in enumerate(labels):
        intervals = [(a.from_ns, a.to_ns) for a in annotations if a.label == label]
        if not intervals:
            continue
        is_covered_N = _covered(starts_N, length_ns, intervals) >= share * length_ns
        found_N[is_covered_N] = index
        rivals_N += is_covered_N
    return np.where(rivals_N == 1, found_N, NO_LABEL)


def _covered(starts_N: Integers, length_ns: int, intervals: list[tuple[int, int]]) -> Integers:
    """Nanoseconds of each window within the union of ``intervals``."""
    from_I, to_I = _union(intervals)
    before_I = np.concatenate([[0], np.cumsum(to_I - from_I)])

    def covered_until(times_N: Integers) -> Integers:
        begun_N = np.searchsorted(from_I, times_N)
        ends_N = to_I[np.maximum(begun_N - 1, 0)]
        rest_N = np.where(begun_N > 0, np.maximum(ends_N - times_N, 0), 0)
        return np.asarray(before_I[begun_N] - rest_N)

    return covered_until(starts_N + length_ns) - covered_until(starts_N)


def _union(intervals: list[tuple[int, int]]) -> tuple[Integers, Integers]:
    """The intervals, merged where they touch, as their starts and ends in order."""
    merged: list[list[int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    from_I, to_I = np.array(merged, np.int64).T
    return from_I, to_I
