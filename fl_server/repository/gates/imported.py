"""Gates on what a third party's model computes: it has no torch, and no run."""

from pathlib import Path

from fl_server.repository.gates import Finding
from models.example import Arrays, Example, by_reference, by_runtime, largest_difference


def parity(model: Path, example: Example, tolerance: float) -> Finding:
    """ONNX Runtime and the reference implementation of the standard give the same outputs."""
    expected = by_reference(model, example.inputs)
    return _compared("the ONNX reference", model, example, expected, tolerance)


def golden(model: Path, example: Example, tolerance: float) -> Finding:
    """The example's inputs give the outputs that were recorded when it was imported."""
    return _compared("the recorded outputs", model, example, example.outputs, tolerance)


def _compared(
    what: str, model: Path, example: Example, expected: Arrays, tolerance: float
) -> Finding:
    difference = largest_difference(by_runtime(model, example.inputs), expected)
    is_finite = difference < float("inf")
    values = {"tolerance": tolerance, "difference": difference if is_finite else None}
    words = f"by at most {difference:.2g}" if is_finite else "in shape, or by what is no number"
    return Finding(difference <= tolerance, f"ONNX Runtime differs from {what} {words}", values)
