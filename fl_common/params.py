"""Arithmetic on parameters: pure functions on named float32 arrays."""

import hashlib

import numpy as np

from fl_common.vocabulary import Parameters


def add(left: Parameters, right: Parameters) -> Parameters:
    """``left + right``, name by name; both must have the same names and shapes."""
    return {name: left[name] + right[name] for name in left}


def subtract(left: Parameters, right: Parameters) -> Parameters:
    """``left - right``, name by name."""
    return {name: left[name] - right[name] for name in left}


def scale(parameters: Parameters, factor: float) -> Parameters:
    """``factor * parameters``, kept in float32."""
    return {name: array * np.float32(factor) for name, array in parameters.items()}


def norm(parameters: Parameters) -> float:
    """L2 norm over all arrays together, accumulated in float64."""
    squares = (np.square(array, dtype=np.float64).sum() for array in parameters.values())
    return float(np.sqrt(sum(squares)))


def clip(parameters: Parameters, bound: float) -> Parameters:
    """Scaled down to an L2 norm of at most ``bound``, but for float32; zero stays as it is.

    Multiplied in float64: a factor too small for float32 would leave a longer value.
    """
    length = norm(parameters)
    if length <= bound:
        return parameters
    factor = np.float64(bound / length)
    return {name: np.asarray(a * factor, np.float32) for name, a in parameters.items()}


def is_finite(parameters: Parameters) -> bool:
    """True when no entry is NaN or infinite."""
    return all(bool(np.isfinite(array).all()) for array in parameters.values())


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
