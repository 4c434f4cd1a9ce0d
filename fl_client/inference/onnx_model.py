"""One ONNX model in memory: its inputs, its outputs, and running it.

This module is independent of tasks, versions and files. ONNX Runtime's memory arena and memory
patterns are off: they would hold the largest batch's memory for ever, and a pattern for each batch
size. Several threads may call a model at once.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import NamedArrays
from models.onnx.content import check_model
from models.onnx.runtime import onnxruntime

_TYPES = {
    "tensor(bool)": "bool",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "object",
}
_errors = onnxruntime.capi.onnxruntime_pybind11_state
_REFUSED = (
    *(_errors.EPFail, _errors.Fail, _errors.InvalidArgument, _errors.InvalidGraph),
    *(_errors.InvalidProtobuf, _errors.NoSuchFile, _errors.NotFound, _errors.NotImplemented),
    *(_errors.RuntimeException, MemoryError, RuntimeError, ValueError),
)
"""The errors of ONNX Runtime for a file or values that it can't use; they share no base class."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model: a numpy ``dtype``; None in ``shape`` stands for any size."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class OnnxModel:
    """A model from the bytes of its file, on ``threads`` threads of the processor.

    Raises:
        InvalidData: it breaks a rule of ``models.onnx.content``, ONNX Runtime can't load it, or an
            input or output is not a tensor.
    """

    def __init__(self, content: bytes, threads: int) -> None:
        check_model(content)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.log_severity_level = 4  # its failures are raised; don't log them, too
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except _REFUSED as error:
            raise InvalidData(
                "the model file", f"can't be loaded ({_words(error)})", "Export the model again"
            ) from error
        self.inputs = tuple(_tensor(node) for node in self._session.get_inputs())
        self.outputs = tuple(_tensor(node) for node in self._session.get_outputs())
        self.properties: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(
        self,
        arrays: NamedArrays,
        outputs: Sequence[str] | None = None,
        seconds: float | None = None,
    ) -> dict[str, NDArray[Any]]:
        """All outputs by name, or those in ``outputs``, for one call's inputs.

        A call that takes more than ``seconds`` is ended before its next operator.

        Raises:
            InvalidData: an input is missing, unknown or of another type or shape; no such output;
                or the model can't compute with these values.
        """
        names = [tensor.name for tensor in self.outputs] if outputs is None else list(outputs)
        for name in names:
            _find(name, "output", self.outputs)
        self._check(arrays)
        try:
            with _ended_after(seconds) as options:
                results = self._session.run(names, dict(arrays), options)
        except _REFUSED as error:
            raise InvalidData(
                "the inputs",
                f"can't be computed with ({_words(error)})",
                "Compare their shapes and values with the model's metadata",
            ) from error
        return dict(zip(names, results, strict=True))

    def _check(self, arrays: NamedArrays) -> None:
        for name in arrays:
            _find(name, "input", self.inputs)
        for tensor in self.inputs:
            if tensor.name not in arrays:
                raise InvalidData(
                    f"input {tensor.name!r}", "is missing", f"Give {_listed(self.inputs)}"
                )
            _fits(arrays[tensor.name], tensor)


@contextmanager
def _ended_after(seconds: float | None) -> Iterator[onnxruntime.RunOptions]:
    """Options of a call that ends when its time is over; None: it may take for ever."""
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    if seconds is None:
        yield options
        return
    timer = threading.Timer(seconds, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()


def _fits(array: NDArray[Any], tensor: Tensor) -> None:
    if array.dtype != np.dtype(tensor.dtype):
        rule = f"has type {array.dtype}, the model takes {tensor.dtype}"
        raise InvalidData(f"input {tensor.name!r}", rule, f"Send it as {tensor.dtype}")
    wanted = tensor.shape
    sizes = zip(array.shape, wanted, strict=False)
    if len(array.shape) != len(wanted) or any(want not in (None, got) for got, want in sizes):
        shape = tuple("any" if size is None else size for size in wanted)
        rule = f"has shape {array.shape}, the model takes {shape}"
        raise InvalidData(f"input {tensor.name!r}", rule, "Send an array of the model's shape")


def _find(name: str, what: str, tensors: Sequence[Tensor]) -> None:
    if all(tensor.name != name for tensor in tensors):
        raise InvalidData(f"{what} {name!r}", "is not in the model", f"Name {_listed(tensors)}")


def _listed(tensors: Sequence[Tensor]) -> str:
    return ", ".join(tensor.name for tensor in tensors)


def _tensor(node: Any) -> Tensor:
    if node.type not in _TYPES:
        raise InvalidData(
            f"the model's {node.name!r} of type {node.type}",
            "is not a tensor that can be served",
            "Export the model with tensors of numbers, truth values or strings alone",
        )
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor(node.name, _TYPES[node.type], shape)


def _words(error: Exception) -> str:
    """ONNX Runtime's message in one line, without its source location."""
    return " ".join(str(error).split())[:300]
