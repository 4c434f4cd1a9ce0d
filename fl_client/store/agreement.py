"""How predictions of the kept windows agree with what people told of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.windows.truths import Truths
from fl_client.windows.truths.kept import Told
from models.kinds import TaskKind, Truth

Said = int | float | bytes
"""What was predicted for a window, in the form in which it is kept."""
Pair = tuple[Told, Said, int]
"""What people told, what was predicted, and for how many windows, as they are kept."""

ROWS: Mapping[Truth, str] = {Truth.READINGS: "<i4", Truth.ODD: "<f4"}
"""Predictions that are several numbers, and their form as bytes; others are one number."""
_UNANSWERED = b""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of ``judged`` windows, which were told of and have a prediction, ``agreeing`` are right.

    ``measures`` are those of the task's kind.
    """

    judged: int = 0
    agreeing: int = 0
    measures: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def of(kind: TaskKind, truths: Truths, pairs: Sequence[Pair]) -> "Agreement":
        """The agreement of ``pairs``; those without an answer are in none of it."""
        answered = [pair for pair in pairs if _is_answer(kind, pair[1])]
        if not answered:
            return Agreement()
        told, said, counts = zip(*answered, strict=True)
        labels_P, predicted_P = truths.labels(told), _predictions(kind, said)
        fits_P = kind.fits_N(labels_P)
        if kind.truth not in ROWS:
            fits_P &= kind.fits_N(predicted_P)
        if not fits_P.any():
            return Agreement()
        times_P = np.array(counts)[fits_P]
        labels_N, predicted_N = (
            np.repeat(one_P[fits_P], times_P, axis=0) for one_P in (labels_P, predicted_P)
        )
        measured = kind.measured(kind.sums(labels_N, predicted_N))
        known = {name: value for name, value in measured.items() if math.isfinite(value)}
        return Agreement(len(labels_N), int(kind.right(labels_N, predicted_N).sum()), known)


def marks_of(kind: TaskKind, chosen_N: NDArray[Any], answered_N: NDArray[np.bool_]) -> list[Said]:
    """Predictions as they are kept beside what people tell; where there is none, what none can be.

    Of a forecast, of which people tell nothing, it is kept that it is there.
    """
    if (form := ROWS.get(kind.truth)) is not None:
        pairs = zip(chosen_N.astype(form), answered_N.tolist(), strict=True)
        return [row.tobytes() if has_answer else _UNANSWERED for row, has_answer in pairs]
    if chosen_N.ndim > 1:
        chosen_N = np.zeros(len(chosen_N))
    none = -1 if np.issubdtype(chosen_N.dtype, np.integer) else math.inf
    marks: list[Said] = np.where(answered_N, chosen_N, none).tolist()
    return marks


def _is_answer(kind: TaskKind, said: Said) -> bool:
    """Earlier versions kept a zero of a prediction of several numbers."""
    return kind.truth not in ROWS or (isinstance(said, bytes) and said != _UNANSWERED)


def _predictions(kind: TaskKind, said: Sequence[Said]) -> NDArray[Any]:
    """Predictions (P, ...) of the kind, of what is kept."""
    if (form := ROWS.get(kind.truth)) is None:
        return np.array(said)
    content = b"".join(one for one in said if isinstance(one, bytes))
    return np.frombuffer(content, form).reshape(len(said), -1)
