"""A model of somebody else's, loaded and run in a child process within limits of time and memory.

``try_model`` shows only that it ends, before another process runs it. The other functions return
what it computes, so that no other process has to. Run as a program, this module is the child.
"""

import io
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.files.packed import read_npz
from fl_common.programs.limited_child import ChildLimits, answer_confined, run_confined
from fl_common.vocabulary import NamedArrays
from models.onnx.example import Example, by_reference, by_runtime, drawn_inputs
from models.onnx.golden import MOST_BYTES, model_run, open_model, seconds_of, words_of

_MODULE = "models.onnx.trial"
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "Failed to allocate", "Unable to allocate")


def try_model(content: bytes, inputs: NamedArrays | None, limits: ChildLimits) -> None:
    """Load the model with this content and run it once, on ``inputs`` or on drawn ones.

    Raises:
        InvalidData: it does not end, crashes, or takes too much memory. Any other failure shows
            when it is run elsewhere.
        OSError: no child can be started.
    """
    _asked(_TRY, content, inputs, limits)


def example_of(content: bytes, given: NamedArrays | None, limits: ChildLimits) -> bytes:
    """What ``Example.of`` finds, as its ``write`` writes it.

    Raises:
        InvalidData: as ``try_model`` and ``Example.of``.
        OSError: no child can be started.
    """
    return _asked(_EXAMPLE, content, given, limits)


def outputs_of(
    content: bytes, inputs: NamedArrays, engine: str, limits: ChildLimits
) -> dict[str, NDArray[Any]]:
    """The outputs by name that ``engine``, one of ``ENGINES``, computes from ``inputs``.

    Raises:
        InvalidData: as ``try_model``, or the engine can't compute it.
        OSError: no child can be started.
    """
    return read_npz(io.BytesIO(_asked(engine, content, inputs, limits)), MOST_BYTES)


def latencies_of(
    content: bytes, inputs: NamedArrays | None, repeats: int, limits: ChildLimits
) -> list[float]:
    """The seconds of ``repeats`` calls with ``inputs``, or with one window of zeros.

    Raises:
        InvalidData: as ``outputs_of``.
        OSError: no child can be started.
    """
    seconds: list[float] = json.loads(_asked(f"{repeats}", content, inputs, limits))
    return seconds


RUNTIME, UNFUSED, REFERENCE = "ONNX Runtime", "ONNX Runtime, unfused", "the ONNX reference"
ENGINES: Mapping[str, Callable[[bytes, NamedArrays], NamedArrays]] = {
    RUNTIME: by_runtime,
    UNFUSED: partial(by_runtime, fused=False),
    REFERENCE: by_reference,
}
"""Ways to compute a model: as a site does, as it is written, and by the standard's own code."""
_TRY, _EXAMPLE = "try", "example"


def _asked(what: str, content: bytes, arrays: NamedArrays | None, limits: ChildLimits) -> bytes:
    head = json.dumps([what, len(content), arrays is not None]).encode()
    return run_confined(_MODULE, head + b"\n" + content + _packed(arrays or {}), limits)


def _answer(request: bytes) -> bytes:
    head, _, rest = request.partition(b"\n")
    what, size, is_given = json.loads(head)
    content = rest[:size]
    given = read_npz(io.BytesIO(rest[size:]), MOST_BYTES) if is_given else None
    try:
        return _answered(what, content, given)
    except Exception as error:  # the errors of those who compute it have no common base
        if any(name in f"{type(error).__name__}: {error}" for name in _OUT_OF_MEMORY):
            raise InvalidData(
                "the model",
                "takes more memory than it may when it is tried",
                "Give a smaller one, or raise the limit",
            ) from error
        if what == _TRY:
            return b""
        if isinstance(error, InvalidData):
            raise
        raise InvalidData(
            "the model", f"can't be computed by {what} ({words_of(error)})", "Export it again"
        ) from error


def _answered(what: str, content: bytes, given: dict[str, NDArray[Any]] | None) -> bytes:
    if what == _TRY:
        _run(content, given)
        return b""
    if what == _EXAMPLE:
        found = io.BytesIO()
        Example.of(content, given).write(found)
        return found.getvalue()
    if what.isdecimal():
        call = model_run(content, given)
        return json.dumps(seconds_of(call, time.perf_counter, int(what))).encode()
    return _packed(ENGINES[what](content, given or {}))


def _packed(arrays: NamedArrays) -> bytes:
    """The arrays as an .npz file; strings as text."""
    packed = io.BytesIO()
    plain: dict[str, Any] = {
        name: array.astype(str) if array.dtype.kind == "O" else array
        for name, array in arrays.items()
    }
    np.savez(packed, **plain)
    return packed.getvalue()


def _run(content: bytes, given: dict[str, NDArray[Any]] | None) -> None:
    session = open_model(content)
    inputs = session.get_inputs()
    arrays = drawn_inputs(inputs) if given is None else given
    session.run(None, {one.name: arrays[one.name] for one in inputs})


if __name__ == "__main__":
    answer_confined(_answer)
