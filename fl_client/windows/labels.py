"""The label of a window, or its number, from the intervals that people annotated.

A window has a label if the union of that label's intervals covers at least a given share of it, and
no other label's does. So the result depends only on the set of intervals: they may arrive before or
after the window, in any order, and more than once. If two labels reach the share, they contradict
each other and the window has no label.
"""

import itertools
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from fl_client.sensors import Annotation
from fl_common.vocabulary import Doubles, Integers

NO_LABEL = -1

PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""How a number is written: 1000, and not 1_000, inf or a number of another script."""

Span = tuple[int, int]
"""From and to, in nanoseconds since 1970."""


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
        spans = [(a.from_ns, a.to_ns) for a in annotations if a.label == label]
        if not spans:
            continue
        is_covered_N = covered(starts_N, length_ns, spans) >= share * length_ns
        found_N[is_covered_N] = index
        rivals_N += is_covered_N
    return np.where(rivals_N == 1, found_N, NO_LABEL)


def numbers_of(
    starts_N: Integers, length_ns: int, annotations: Sequence[Annotation], share: float
) -> Doubles:
    """Each window's number (N,): the mean over time of those that its annotations tell.

    Where two tell different numbers at the same time, that time counts as not covered. NaN for a
    window of which less than ``share`` is covered.
    """
    spans, numbers = _undisputed(annotations)
    if not spans:
        return np.full(len(starts_N), np.nan)
    from_I, to_I = np.array(spans, np.int64).T
    number_I = np.array(numbers)
    covered_N = _measured(starts_N, length_ns, from_I, to_I, np.ones(len(spans), np.int64))
    sum_N = _measured(starts_N, length_ns, from_I, to_I, number_I - number_I[0])
    mean_N = number_I[0] + sum_N / np.maximum(covered_N, 1)
    mean_N = mean_N.clip(number_I.min(), number_I.max())
    return np.where(covered_N >= max(share * length_ns, 1), mean_N, np.nan)


def covered(starts_N: Integers, length_ns: int, spans: Sequence[Span]) -> Integers:
    """Nanoseconds of each window within the union of ``spans``."""
    if not spans:
        return np.zeros(len(starts_N), np.int64)
    from_I, to_I = _union(spans)
    ones_I = np.ones(len(from_I), np.int64)
    return np.asarray(_measured(starts_N, length_ns, from_I, to_I, ones_I), np.int64)


def _measured(
    starts_N: Integers,
    length_ns: int,
    from_I: Integers,
    to_I: Integers,
    weight_I: Doubles | Integers,
) -> Doubles | Integers:
    """Of each window the sum of ``weight_I`` times its nanoseconds in these spans, in order."""
    before_I = np.concatenate([[0], np.cumsum((to_I - from_I) * weight_I)])

    def until(times_N: Integers) -> Doubles | Integers:
        begun_N = np.searchsorted(from_I, times_N)
        last_N = np.maximum(begun_N - 1, 0)
        rest_N = np.where(begun_N > 0, np.maximum(to_I[last_N] - times_N, 0), 0)
        return np.asarray(before_I[begun_N] - rest_N * weight_I[last_N])

    return np.asarray(until(starts_N + length_ns) - until(starts_N))


def _union(spans: Sequence[Span]) -> tuple[Integers, Integers]:
    """The spans, merged where they touch, as their starts and ends in order."""
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    from_I, to_I = np.array(merged, np.int64).T
    return from_I, to_I


def _undisputed(annotations: Sequence[Annotation]) -> tuple[list[Span], list[float]]:
    """Spans in order in which all annotations tell one number, and that number."""
    ends = [
        end
        for one in annotations
        for end in ((one.from_ns, float(one.label), 1), (one.to_ns, float(one.label), -1))
    ]
    by_time = itertools.groupby(sorted(ends), key=lambda end: end[0])
    told, spans, numbers, before_ns = Counter[float](), list[Span](), list[float](), 0
    for time_ns, here in by_time:
        if len(told) == 1:
            spans.append((before_ns, time_ns))
            numbers.extend(told)
        for _, number, change in here:
            told[number] += change
        told, before_ns = +told, time_ns
    return spans, numbers
