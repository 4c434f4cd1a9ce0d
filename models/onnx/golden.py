"""Fixed inputs for a model, the same on every machine, and running its published file."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats, Task
from models.onnx.content import check_model
from models.onnx.runtime import onnxruntime

_WIDEST, _STEP = 3000, 1000.0
MOST_BYTES = 1 << 30
"""Of the arrays that a model is tried with."""
NUMPY_OF: Mapping[str, DTypeLike] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    **{f"tensor({kind})": np.dtype(kind).type for kind in ("int8", "int16", "int32", "int64")},
    **{f"tensor({kind})": np.dtype(kind).type for kind in ("uint8", "uint16", "uint32", "uint64")},
    "tensor(bool)": np.bool_,
}
"""numpy's types of those of a model's inputs that can be made up."""


def golden_windows(task: Task, count: int, seed: int) -> Floats:
    """``count`` windows (N, *task.window_shape) in sensor units, drawn from ``seed``.

    They are of the task's declared size (center plus or minus up to three scales), contain nobody's
    data, and are multiples of a thousandth of a scale, so every machine rounds them alike.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    draws_N = generator.integers(-_WIDEST, _WIDEST, (count, *task.window_shape)) / _STEP
    shape = [1] * (1 + len(task.window_shape))
    shape[1 + task.channel_axis] = len(task.channels)
    center, scale = (np.reshape(values, shape) for values in (task.center, task.scale))
    return np.asarray(center + scale * draws_N, dtype=np.float32)


def open_model(content: bytes, *, fused: bool = True) -> onnxruntime.InferenceSession:
    """ONNX Runtime on one core for the model in ``content``.

    ``fused``: as a site runs it. Else a quantised model (QDQ) is computed as it is written, in
    floats; integer kernels round a step up or down now and then, by the machine's processor.

    Raises:
        InvalidData: it breaks a rule of ``models.onnx.content``, or ONNX Runtime can't load it.
    """
    check_model(content)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its failures are raised; don't log them as well
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.disable_quant_qdq", "0" if fused else "1")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise InvalidData(
            "the model file",
            f"can't be loaded by ONNX Runtime {onnxruntime.__version__} ({words_of(error)})",
            "Export the model again, with operators that it has and an opset that it knows",
        ) from error


def words_of(error: Exception) -> str:
    """What a library says of a model, in a line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def model_run(
    content: bytes, inputs: Mapping[str, NDArray[Any]] | None = None
) -> Callable[[], object]:
    """A function that runs the model once, on ``inputs``, or on one window of zeros.

    In those, every axis without a fixed length is 1.
    """
    session = open_model(content)
    feeds = (
        dict(inputs)
        if inputs is not None
        else {
            one.name: np.zeros(
                [size if isinstance(size, int) else 1 for size in one.shape], NUMPY_OF[one.type]
            )
            for one in session.get_inputs()
        }
    )
    return lambda: session.run(None, feeds)


def seconds_of(call: Callable[[], object], clock: Callable[[], float], repeats: int) -> list[float]:
    """How long ``call`` takes by ``clock``, ``repeats`` times, after a tenth as many to warm up."""
    for _ in range(repeats // 10):
        call()
    seconds = []
    for _ in range(repeats):
        began = clock()
        call()
        seconds.append(clock() - began)
    return seconds
