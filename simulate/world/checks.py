"""Checks of windows from outside; every message names the file, the rule and the remedy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import Task

_REPLACE = "Correct the file, or get an undamaged copy"


def check_values(source: str, values: NDArray[Any], task: Task) -> None:
    """Raise InvalidData unless ``values`` is (N, *task.window_shape), N > 0, and all finite."""
    shape = task.window_shape
    if values.shape[1:] != shape or not len(values):
        raise InvalidData(
            f"{source}: windows of shape {values.shape}",
            f"must be (N, {', '.join(map(str, shape))}), N at least 1, for task {task.name}",
            _REPLACE,
        )
    # A sum is finite only if every value is, or if it overflows: then the values are looked at.
    if np.isfinite(values.sum(dtype=np.float64)) or np.isfinite(values).all():
        return
    odd_N = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    raise InvalidData(
        f"{source}: {int(odd_N.sum())} of {len(values)} windows (first: {int(odd_N.argmax()) + 1})",
        "hold NaN or infinity, where every reading must be a finite number",
        "Correct or remove these windows",
    )


def check_labels(source: str, labels_N: NDArray[Any], lowest: int, count: int) -> None:
    """Raise InvalidData unless labels are whole numbers from ``lowest``, ``count`` different ones.

    At least one label must be there.
    """
    if labels_N.ndim != 1 or labels_N.dtype.kind not in "iu":
        raise InvalidData(
            f"{source}: labels of shape {labels_N.shape} and type {labels_N.dtype}",
            "must be one whole number per window",
            _REPLACE,
        )
    highest = lowest + count - 1
    if labels_N.min() < lowest or labels_N.max() > highest:
        raise InvalidData(
            f"{source}: labels from {labels_N.min()} to {labels_N.max()}",
            f"must lie in {lowest}..{highest}, the {count} labels of the task",
            _REPLACE,
        )


def check_lengths(source: str, **columns: NDArray[Any]) -> None:
    """Raise InvalidData unless all ``columns`` have the same number of rows."""
    lengths = {name: len(np.atleast_1d(column)) for name, column in columns.items()}
    if len({*lengths.values()}) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InvalidData(f"{source}: rows of {listed}", "must be equally many", _REPLACE)
