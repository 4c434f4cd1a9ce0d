"""How predictions of the kept windows agree with what people labelled them with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.kinds import TaskKind

Pair = tuple[float, float, int]
"""A label, what was predicted, and for how many windows, as they are kept."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of ``judged`` windows, which have a label and a prediction, ``agreeing`` have the same.

    ``measures`` are those of the task's kind.
    """

    judged: int = 0
    agreeing: int = 0
    measures: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def of(kind: TaskKind, pairs: Sequence[Pair]) -> "Agreement":
        """The agreement of ``pairs``; those without an answer are in none of it."""
        labels, predicted, counts = zip(*pairs, strict=True) if pairs else ((), (), ())
        labels_P, predicted_P = np.array(labels), np.array(predicted)
        fits_P = kind.fits_N(labels_P) & kind.fits_N(predicted_P)
        if not fits_P.any():
            return Agreement()
        times_P = np.array(counts)[fits_P]
        labels_N, predicted_N = (
            np.repeat(one_P[fits_P], times_P) for one_P in (labels_P, predicted_P)
        )
        measured = kind.measured(kind.sums(labels_N, predicted_N))
        known = {name: value for name, value in measured.items() if math.isfinite(value)}
        return Agreement(len(labels_N), int(kind.agree(labels_N, predicted_N).sum()), known)


def marks_of(chosen_N: NDArray[Any], answered_N: NDArray[np.bool_]) -> list[float]:
    """Predictions as they are kept beside labels; where there is no answer, what none can be.

    Of one that is more than a number, which no label is like, it is kept that it is there.
    """
    if chosen_N.ndim > 1:
        chosen_N = np.zeros(len(chosen_N))
    none = -1 if np.issubdtype(chosen_N.dtype, np.integer) else math.inf
    marks: list[float] = np.where(answered_N, chosen_N, none).tolist()
    return marks
