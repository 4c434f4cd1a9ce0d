"""Gates on what a third-party model computes: there is no torch net and no run to compare with."""

from fl_common.errors import InvalidData
from fl_common.programs.limited_child import ChildLimits
from fl_common.vocabulary import NamedArrays
from fl_server.repository.gates import GateFinding
from models.onnx.example import Example, largest_difference
from models.onnx.trial import REFERENCE, RUNTIME, UNFUSED, outputs_of


def parity(model: bytes, example: Example, tolerance: float, limits: ChildLimits) -> GateFinding:
    """ONNX Runtime and the reference implementation of the standard give the same outputs.

    Both compute a quantised model as it is written: how a site's integer kernels round is told by
    the golden gate.
    """
    try:
        expected = outputs_of(model, example.inputs, REFERENCE, limits)
    except InvalidData as error:
        return GateFinding(
            False,
            f"{error.rule}: there is nothing else to compare with. Import it with the outputs of"
            " the framework that it is from (--example), and leave parity out of"
            " gates.required.imported",
        )
    found = outputs_of(model, example.inputs, UNFUSED, limits)
    return _compared(REFERENCE, found, expected, tolerance)


def golden(model: bytes, example: Example, tolerance: float, limits: ChildLimits) -> GateFinding:
    """The example's inputs give the outputs that were recorded when it was imported."""
    found = outputs_of(model, example.inputs, RUNTIME, limits)
    return _compared("the recorded outputs", found, example.outputs, tolerance)


def _compared(
    what: str, found: NamedArrays, expected: NamedArrays, tolerance: float
) -> GateFinding:
    difference = largest_difference(found, expected)
    is_finite = difference < float("inf")
    values = {"tolerance": tolerance, "difference": difference if is_finite else None}
    words = f"by at most {difference:.2g}" if is_finite else "in shape, or by what is no number"
    return GateFinding(difference <= tolerance, f"ONNX Runtime differs from {what} {words}", values)
