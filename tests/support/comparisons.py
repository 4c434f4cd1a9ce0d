"""Comparisons of a candidate with production whose results are given."""

from collections.abc import Mapping

import numpy as np

from fl_client.components.comparison import Comparison, ShadowObservation
from fl_common.vocabulary import Floats, Windows


def counted(days: Mapping[str, tuple[int, int, int]]) -> Comparison:
    """One that counts (windows, agreed, failed) on each day; a window's value is its result."""
    values, block_of = list[int](), list[int]()
    for place, (windows, agreed, failed) in enumerate(days.values()):
        values += [1] * agreed + [2] * failed + [0] * (windows - agreed - failed)
        block_of += [place] * windows
    values_N1 = np.array(values, np.float32)[:, None]
    labels_N = np.full(len(values), -1)
    windows_N = Windows(values_N1, labels_N, np.array(block_of), tuple(days))
    return Comparison(lambda: windows_N, _observed)


def _observed(values_N1: Floats) -> list[ShadowObservation]:
    return [ShadowObservation(value == 1, value == 2) for value in values_N1[:, 0].tolist()]
