"""Gates on what a third-party model computes: there is no torch net and no run to compare with."""

from fl_common.vocabulary import NamedArrays
from fl_server.repository.gates import GateFinding
from models.onnx.example import Example, by_reference, by_runtime, largest_difference


def parity(model: bytes, example: Example, tolerance: float) -> GateFinding:
    """ONNX Runtime and the reference implementation of the standard give the same outputs."""
    expected = by_reference(model, example.inputs)
    return _compared("the ONNX reference", model, example, expected, tolerance)


def golden(model: bytes, example: Example, tolerance: float) -> GateFinding:
    """The example's inputs give the outputs that were recorded when it was imported."""
    return _compared("the recorded outputs", model, example, example.outputs, tolerance)


def _compared(
    what: str, model: bytes, example: Example, expected: NamedArrays, tolerance: float
) -> GateFinding:
    difference = largest_difference(by_runtime(model, example.inputs), expected)
    is_finite = difference < float("inf")
    values = {"tolerance": tolerance, "difference": difference if is_finite else None}
    words = f"by at most {difference:.2g}" if is_finite else "in shape, or by what is no number"
    return GateFinding(difference <= tolerance, f"ONNX Runtime differs from {what} {words}", values)
