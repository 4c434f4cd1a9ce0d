"""Tensors of the Open Inference Protocol as numpy arrays, and back: typed contents and raw bytes.

Raw bytes are little-endian, in row-major order; an element of BYTES is its length in four bytes,
followed by its content (Open Inference Protocol, "Tensor Data").
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.inference.oip.open_inference_pb2 import InferTensorContents
from fl_common.errors import InvalidData

DTYPES = {
    "BOOL": "bool",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
"""The protocol's name for each of numpy's types; BF16 has no numpy type."""

DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_LENGTH = struct.Struct("<I")


def from_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> NDArray[Any]:
    """The array of raw bytes.

    Raises:
        InvalidData: a number of bytes that does not fit the shape, or an unknown data type.
    """
    dtype = _dtype(name, datatype)
    if datatype == "BYTES":
        return _shaped(name, shape, _texts(list(_elements(name, raw))))
    wanted = _count(name, shape) * dtype.itemsize
    if len(raw) != wanted:
        rule = f"has {len(raw)} raw bytes, {datatype} of shape {list(shape)} needs {wanted}"
        raise InvalidData(f"input {name!r}", rule, "Send every element, little-endian")
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


def from_contents(
    name: str, datatype: str, shape: Sequence[int], contents: InferTensorContents
) -> NDArray[Any]:
    """The array of typed contents.

    Raises:
        InvalidData: a number of elements that does not fit the shape, elements in the field of
            another data type or outside its range, or an unknown data type.
    """
    dtype = _dtype(name, datatype)
    field = _CONTENTS.get(datatype)
    used = [descriptor.name for descriptor, _ in contents.ListFields()]
    if field is None or (used and used != [field]):
        rule = f"of type {datatype} has {', '.join(used) or 'no field for typed contents'}"
        raise InvalidData(f"input {name!r}", rule, f"Use {field or 'raw_input_contents'}")
    values = getattr(contents, field)
    if datatype == "BYTES":
        return _shaped(name, shape, _texts(values))
    try:
        return _shaped(name, shape, np.array(values, dtype))
    except OverflowError as error:
        raise InvalidData(f"input {name!r}", f"{error}", f"Send values of {datatype}") from error


def to_raw(array: NDArray[Any]) -> bytes:
    """The raw bytes of an array."""
    if array.dtype == object:
        elements = [_encoded(element) for element in array.ravel()]
        return b"".join(_LENGTH.pack(len(element)) + element for element in elements)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def to_contents(array: NDArray[Any]) -> InferTensorContents | None:
    """The typed contents of an array; None for FP16, which has no field for them."""
    field = _CONTENTS.get(DATATYPES[str(array.dtype)])
    if field is None:
        return None
    flat: Iterable[Any] = array.ravel().tolist()
    contents = InferTensorContents()
    getattr(contents, field).extend(map(_encoded, flat) if array.dtype == object else flat)
    return contents


def _dtype(name: str, datatype: str) -> np.dtype[Any]:
    if datatype not in DTYPES:
        raise InvalidData(
            f"input {name!r} of type {datatype!r}",
            "is not served",
            f"Use one of {', '.join(DTYPES)}",
        )
    return np.dtype(DTYPES[datatype])


def _count(name: str, shape: Sequence[int]) -> int:
    if any(size < 0 for size in shape):
        raise InvalidData(f"input {name!r}", f"has shape {list(shape)}", "Send its true shape")
    product = 1  # of Python's integers, which do not overflow
    for size in shape:
        product *= size
    return product


def _shaped(name: str, shape: Sequence[int], flat: NDArray[Any]) -> NDArray[Any]:
    wanted = _count(name, shape)
    if len(flat) != wanted:
        rule = f"has {len(flat)} elements, shape {list(shape)} needs {wanted}"
        raise InvalidData(f"input {name!r}", rule, "Send every element, row by row")
    return flat.reshape(shape)


def _elements(name: str, raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack(raw[at:start])[0] if start <= len(raw) else len(raw) + 1
        if at > len(raw):
            rule = "ends inside an element of BYTES"
            raise InvalidData(f"input {name!r}", rule, "Send four bytes of length, then the bytes")
        yield raw[start:at]


def _texts(elements: Sequence[bytes]) -> NDArray[Any]:
    """ONNX's strings are UTF-8; a byte that is not is kept, escaped."""
    texts = np.empty(len(elements), object)
    texts[:] = [element.decode("utf-8", "surrogateescape") for element in elements]
    return texts


def _encoded(element: str | bytes) -> bytes:
    return element if isinstance(element, bytes) else element.encode("utf-8", "surrogateescape")
