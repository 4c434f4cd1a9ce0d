"""Weights in the safetensors format: written as the format says, and read whoever wrote them."""

import json
from pathlib import Path

import numpy as np
import pytest

from fl_common.errors import InvalidData
from fl_common.files.safetensors import read_safetensors, write_safetensors

ARRAYS = {
    "body.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "body.scale": np.array(3, np.float32),
    "none": np.zeros((0, 4), np.float32),
}


def written(entries: dict[str, object], body: bytes) -> bytes:
    """A file by the format's description, byte by byte."""
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header + body


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, ARRAYS, {"run": "abc"})
    arrays, about = read_safetensors(path)
    assert about == {"run": "abc"}
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].shape == array.shape
        assert np.array_equal(arrays[name], array)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    header = json.loads(content[8 : 8 + length])
    assert header["body.weight"] == {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    assert content[8 + length :][:24] == ARRAYS["body.weight"].tobytes()


def test_files_of_others_are_read_as_float32(tmp_path: Path) -> None:
    half = np.array([1.5, -2], "<f2")
    entry = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}
    path = tmp_path / "half.safetensors"
    path.write_bytes(written({"a": entry}, half.tobytes()))
    arrays, about = read_safetensors(path)
    assert about == {}
    assert arrays["a"].dtype == np.float32
    assert arrays["a"].tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        written({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"\0" * 8),
        written({"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, b"\0" * 8),
        written({"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}, b"\0" * 8),
        written({"a": {"dtype": "F32"}}, b""),
        written({"a": 3}, b""),
    ],
)
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(InvalidData, match="undamaged safetensors file"):
        read_safetensors(path)
