"""A small MNIST for tests, in every layout that the real one has."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Data = dict[str, Any]


def arrays(train: int = 40, test: int = 20) -> Data:
    generator = np.random.default_rng(0)
    return {
        "x": generator.integers(0, 256, (train + test, 28, 28), dtype=np.uint8),
        "y": generator.integers(0, 10, train + test, dtype=np.uint8),
        "split": np.repeat(np.array([0, 1], dtype=np.uint8), (train, test)),
    }


def idx(values: NDArray[Any]) -> bytes:
    """LeCun's idx format: type 8 is unsigned bytes."""
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return head + values.tobytes()


def raw_files(data: Data) -> dict[str, bytes]:
    files = {}
    for name, code in (("train", 0), ("t10k", 1)):
        rows = data["split"] == code
        files[f"{name}-images-idx3-ubyte"] = idx(data["x"][rows])
        files[f"{name}-labels-idx1-ubyte"] = idx(data["y"][rows])
    return files


def write_raw(root: Path, data: Data) -> Path:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in raw_files(data).items():
        (raw / name).write_bytes(content)
    return raw


def keras(data: Data) -> Data:
    parts = {"train": data["split"] == 0, "test": data["split"] == 1}
    return {f"{name}_{part}": data[name][rows] for part, rows in parts.items() for name in "xy"}
