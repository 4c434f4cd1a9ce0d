"""Arithmetic on parameters: pure functions on named float32 arrays."""

import hashlib
from collections.abc import Iterator

import numpy as np

from fl_common.vocabulary import Floats, Parameters

__all__ = [
    "add",
    "clip",
    "digest",
    "is_finite",
    "norm",
    "same_shapes",
    "scale",
    "subtract",
]

_BLOCK = 1 << 16
"""Entries worked on at once: keeps the float64 copies of a large array within 512 KiB."""


def add(left: Parameters, right: Parameters) -> Parameters:
    """``left + right``, name by name; both must have the same names and shapes."""
    return {name: left[name] + right[name] for name in left}


def subtract(left: Parameters, right: Parameters) -> Parameters:
    """``left - right``, name by name."""
    return {name: left[name] - right[name] for name in left}


def scale(parameters: Parameters, factor: float) -> Parameters:
    """``factor * parameters``, in float32."""
    return {name: array * np.float32(factor) for name, array in parameters.items()}


def norm(parameters: Parameters) -> float:
    """L2 norm over all arrays together, accumulated in float64."""
    squares = (_square(array) for array in parameters.values())
    return float(np.sqrt(sum(squares)))


def _square(array: Floats) -> float:
    """The squared L2 norm of ``array``, without a float64 copy of the whole."""
    flat_E = array.reshape(-1)
    parts = (np.square(flat_E[block], dtype=np.float64).sum() for block in blocks(flat_E.size))
    return float(sum(parts))


def blocks(size: int) -> Iterator[slice]:
    """Slices of ``size`` entries whose float64 copies stay within 512 KiB."""
    return (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))


def clip(parameters: Parameters, bound: float) -> Parameters:
    """Scale down to an L2 norm of at most ``bound``, up to float32 rounding; zero stays zero.

    Multiplied in float64: a factor too small for float32 would give a larger norm.
    """
    length = norm(parameters)
    if length <= bound:
        return parameters
    factor = np.float64(bound / length)
    return {name: np.asarray(a * factor, np.float32) for name, a in parameters.items()}


def is_finite(parameters: Parameters) -> bool:
    """True when no entry is NaN or infinite."""
    return all(map(is_finite_array, parameters.values()))


def is_finite_array(array: Floats) -> bool:
    """True when no entry is NaN or infinite; needs no copy of ``array``, nor a mask of its size."""
    flat_E = array.reshape(-1)
    return all(bool(np.isfinite(flat_E[block]).all()) for block in blocks(flat_E.size))


def same_shapes(left: Parameters, right: Parameters) -> bool:
    """True when both have the same names, in the same order, with the same shapes and types."""
    return _layout(left) == _layout(right)


def _layout(parameters: Parameters) -> list[tuple[str, tuple[int, ...], np.dtype[np.float32]]]:
    return [(name, array.shape, array.dtype) for name, array in parameters.items()]


def digest(parameters: Parameters) -> str:
    """Hex sha256 over names, shapes and little-endian float32 bytes, in order."""
    state = hashlib.sha256()
    for name, array in parameters.items():
        state.update(f"{name}{array.shape}".encode())
        state.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return state.hexdigest()
