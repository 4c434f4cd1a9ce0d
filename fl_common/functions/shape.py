"""Shapes: pure functions that make a window of a window, before any model sees it.

The identity of a shape is the digest of all that decides what it makes: its ``function.json``, with
its settings and limits, and its source text or component. Its cases and its page do not count.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fl_common.errors import InvalidData
from fl_common.functions.events import Window
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.specification import FUNCTION_FILE
from fl_common.vocabulary import Floats, Task

FORM, VALUES = "form", "values"
"""Why what a shape made is no window of its task: its channels or its length; what is in it."""


class Misshapen(Exception):
    """What a shape made is no window; ``reason`` is ``FORM`` or ``VALUES``."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def shape_in(path: Path) -> FunctionFolder:
    """The shape in the folder ``path``.

    Raises:
        InvalidData: there is none.
    """
    folder = FunctionFolder.read(path)
    if folder.spec.world != "shape":
        raise InvalidData(
            f"the function in {path}",
            f"is a {folder.spec.world}, and makes no window of a window",
            'Give one with "world": "shape", such as functions/moving-average',
        )
    return folder


def digest_of(path: Path) -> str:
    """The digest of the shape in the folder ``path``. Raises as ``shape_in``."""
    folder = shape_in(path)
    return digest_of_parts(json.loads((path / FUNCTION_FILE).read_bytes()), folder.content)


def digest_of_parts(fields: Mapping[str, Any], content: bytes) -> str:
    """The digest of a shape, by the values of its function.json and its file's content."""
    told = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode() + b"\n" + content).hexdigest()


def given_window(
    task: Task, values_TC: Floats, start_ns: int, length_ns: int, stream: str
) -> Window:
    """A window of ``task`` as it was cut, as a shape is given it."""
    end_ns = start_ns + length_ns
    return Window(start_ns, end_ns, task.channels, values_TC.ravel().tolist(), stream)


def made_values(
    task: Task, channels: Sequence[str], values: Sequence[Any], rows: int | None = None
) -> Floats:
    """What a shape made of a window of ``task`` (rows, C); None: any number of rows, above 0.

    Raises:
        Misshapen: it has other channels, another length, or values that are not finite.
    """
    count = len(task.channels)
    if tuple(channels) != task.channels:
        raise Misshapen(FORM, f"a window of other channels than {', '.join(task.channels)}"[:200])
    if not values or len(values) % count or rows not in (None, len(values) // count):
        wanted = "some rows" if rows is None else f"{rows} rows"
        raise Misshapen(FORM, f"{len(values)} values, and not {wanted} of {count} channels")
    if not all(isinstance(value, int | float) for value in values):
        raise Misshapen(VALUES, "values that are not finite numbers")
    with np.errstate(over="ignore"):
        made_TC: Floats = np.array(values, np.float32).reshape(-1, count)
    if not np.isfinite(made_TC).all():
        raise Misshapen(VALUES, "values that are not finite numbers")
    return made_TC
