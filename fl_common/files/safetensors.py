"""Arrays by name in the safetensors format: float32, with text about them.

The format (https://huggingface.co/docs/safetensors): 8 bytes with the length of a JSON header in
little-endian, the header, and the arrays' bytes in little-endian, without gaps. Nothing in it is
code. The package of that name is not needed to read or write it.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.files.whole import write_whole
from fl_common.vocabulary import Parameters

_ABOUT = "__metadata__"
_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000
"""Bytes, by the format's own rule."""
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
"""Types that are read, as float32; only F32 is written."""


def write_safetensors(path: Path, arrays: Parameters, about: Mapping[str, str]) -> None:
    """Write ``arrays`` to ``path``, whole or not at all, with texts ``about`` them."""
    header, bodies, at = {_ABOUT: dict(about)} if about else {}, list[bytes](), 0
    entries: dict[str, Any] = dict(header)
    for name, array in arrays.items():
        bodies.append(np.ascontiguousarray(array, dtype="<f4").tobytes())
        end = at + len(bodies[-1])
        entries[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of 8
    write_whole(path, len(text).to_bytes(_LENGTH_BYTES, "little") + text + b"".join(bodies))


def read_safetensors(path: Path) -> tuple[Parameters, dict[str, str]]:
    """The arrays at ``path`` as float32, and what is said about them.

    Raises:
        InvalidData: no such file, a damaged one, or arrays of whole numbers.
    """
    try:
        content = path.read_bytes()
        start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
        if start > min(len(content), _LONGEST_HEADER):
            raise ValueError("its header is longer than the file")
        entries = json.loads(content[_LENGTH_BYTES:start])
        about = {str(key): str(value) for key, value in entries.pop(_ABOUT, {}).items()}
        body = memoryview(content)[start:]
        return {name: _array(body, entry) for name, entry in entries.items()}, about
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidData(
            str(path), f"must be an undamaged safetensors file ({error})", "Correct the path"
        ) from error


def _array(body: memoryview, entry: Mapping[str, Any]) -> NDArray[np.float32]:
    begin, end = entry["data_offsets"]
    kind, shape = np.dtype(_TYPES[entry["dtype"]]), tuple(map(int, entry["shape"]))
    if not 0 <= begin <= end <= len(body) or end - begin != math.prod(shape) * kind.itemsize:
        raise ValueError("an array's place does not fit its shape")
    return np.frombuffer(body[begin:end], kind).astype(np.float32).reshape(shape)
