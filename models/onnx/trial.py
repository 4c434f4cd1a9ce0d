"""A model of somebody else's, loaded and run in a child process before this process does.

What it computes is of no interest here, only that it ends within limits of time and memory. Run as
a program, this module is the child.
"""

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.files.packed import read_npz
from fl_common.programs.limited_child import ChildLimits, answer_confined, run_confined
from fl_common.vocabulary import NamedArrays
from models.onnx.example import MOST_BYTES, drawn_inputs
from models.onnx.golden import open_model

_MODULE = "models.onnx.trial"
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "Failed to allocate", "Unable to allocate")


def try_model(content: bytes, inputs: NamedArrays | None, limits: ChildLimits) -> None:
    """Load the model with this content and run it once, on ``inputs`` or on drawn ones.

    Raises:
        InvalidData: it does not end, crashes, or takes too much memory. Any other failure shows
            when it is run here.
        OSError: no child can be started.
    """
    packed = io.BytesIO()
    np.savez(packed, **(inputs or {}))  # type: ignore[arg-type]
    head = json.dumps([len(content), inputs is not None]).encode()
    run_confined(_MODULE, head + b"\n" + content + packed.getvalue(), limits)


def _answer(request: bytes) -> bytes:
    head, _, rest = request.partition(b"\n")
    size, is_given = json.loads(head)
    given = read_npz(io.BytesIO(rest[size:]), MOST_BYTES) if is_given else None
    try:
        _run(rest[:size], given)
    except Exception as error:  # the parent meets all but one kind, and says what to do
        words = f"{type(error).__name__}: {error}"
        if any(name in words for name in _OUT_OF_MEMORY):
            raise InvalidData(
                "the model",
                "takes more memory than it may when it is tried",
                "Give a smaller one, or raise the limit",
            ) from error
    return b""


def _run(content: bytes, given: dict[str, NDArray[Any]] | None) -> None:
    session = open_model(content)
    inputs = session.get_inputs()
    arrays = drawn_inputs(inputs) if given is None else given
    session.run(None, {one.name: arrays[one.name] for one in inputs})


if __name__ == "__main__":
    answer_confined(_answer)
