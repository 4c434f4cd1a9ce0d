"""Recordings with a label for each reading, joined again of public windows that overlap by half.

The sets have windows alone, each of one activity. Where one begins with the second half of the one
before, they are one *piece* of a recording. Pieces are joined end to end, so what a person did
between them is missing, and the readings jump where they meet.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fl_common.vocabulary import Floats

Piece = tuple[Floats, int]
"""Readings (T, C) that follow each other, and their one label."""
RATE_HZ = 50
SHORTEST, LONGEST = 2 * RATE_HZ, 8 * RATE_HZ
"""Readings of a piece that is dealt."""


def pieces(values_NTC: Floats, labels_N: NDArray[np.integer]) -> Iterator[Piece]:
    """One person's windows, in the order of their recording, as pieces."""
    half = values_NTC.shape[1] // 2
    meets_N = (values_NTC[:-1, half:] == values_NTC[1:, :half]).all((1, 2))
    meets_N &= labels_N[:-1] == labels_N[1:]
    bounds = [0, *(np.flatnonzero(~meets_N) + 1).tolist(), len(values_NTC)]
    for begin, end in pairwise(bounds):
        first, rest = values_NTC[begin, :half], values_NTC[begin:end, half:]
        yield np.concatenate([first, *rest]), int(labels_N[begin])


def dealt(whole: Sequence[Piece], generator: np.random.Generator) -> list[Piece]:
    """Cut into pieces of 2 to 8 seconds, in an order drawn at random."""
    cut = list[Piece]()
    for values_TC, label in whole:
        begin = 0
        while len(values_TC) - begin >= SHORTEST:
            end = begin + int(generator.integers(SHORTEST, LONGEST + 1))
            cut.append((values_TC[begin:end], label))
            begin = end
    return [cut[place] for place in generator.permutation(len(cut))]


def last_part(whole: Sequence[Piece], share: float) -> tuple[list[Piece], list[Piece]]:
    """Each piece without the last ``share`` of its readings, and those."""
    at = [round(len(values) * (1 - share)) for values, _ in whole]
    former = [(values[:end], label) for (values, label), end in zip(whole, at, strict=True)]
    latter = [(values[end:], label) for (values, label), end in zip(whole, at, strict=True)]
    return former, latter


def write_recording(
    whole: Sequence[Piece], channels: Sequence[str], labels: Sequence[str], path: Path
) -> None:
    """The pieces end to end as a table: a column for each channel, and the label of each reading.

    It has no times: rows follow each other at the task's rate.
    """
    values_TC = np.concatenate([values for values, _ in whole])
    names = np.repeat([labels[label] for _, label in whole], [len(values) for values, _ in whole])
    columns: Mapping[str, NDArray[np.generic]] = dict(zip(channels, values_TC.T, strict=True))
    pq.write_table(pa.table({**columns, "label": names}), path)
