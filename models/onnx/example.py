"""Fixed inputs of a third-party model, and the outputs recorded for them.

A model that does not come from a run has no torch net to compare with. Its parity is between ONNX
Runtime and the reference implementation of the ONNX standard (``onnx.reference``, pure numpy),
which share no code.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.version_converter import convert_version

from fl_common.errors import InvalidData
from fl_common.files.packed import read_npz
from fl_common.vocabulary import NamedArrays
from models.onnx.content import check_model, names_of
from models.onnx.golden import MOST_BYTES, NUMPY_OF, open_model, words_of

EXAMPLE = "example.npz"
"""The file of a component that holds its example."""
_OPSET = 21
"""Of which the reference implementation has every operator."""
_INPUT, _OUTPUT = "input.", "output."


@dataclass(frozen=True)
class Example:
    """Inputs and the matching outputs."""

    inputs: NamedArrays
    outputs: NamedArrays

    def write(self, to: Path | IO[bytes]) -> None:
        """Write an .npz file: the same bytes for the same arrays."""
        np.savez(to, **_named(_INPUT, self.inputs), **_named(_OUTPUT, self.outputs))

    @staticmethod
    def of(model: bytes, given: NamedArrays | None) -> "Example":
        """The example of the ``model`` with this content: from ``given`` arrays, or drawn.

        They must have every input; outputs that they lack are those of ONNX Runtime.

        Raises:
            InvalidData: an input is missing, or the model can't compute with the inputs.
        """
        session = open_model(model)
        outputs = [one.name for one in session.get_outputs()]
        arrays = drawn_inputs(session.get_inputs()) if given is None else given
        names = [one.name for one in session.get_inputs()]
        if missing := [name for name in names if name not in arrays]:
            raise InvalidData(
                "--example", f"lacks the input {missing[0]}", "Give every input in it"
            )
        inputs = {name: arrays[name] for name in names}
        try:
            found = dict(zip(outputs, session.run(None, dict(inputs)), strict=True))
        except Exception as error:  # ONNX Runtime's errors have no common base
            which = "drawn" if given is None else "the"
            raise InvalidData(
                "the model",
                f"can't compute with {which} inputs ({words_of(error)})",
                "Give inputs that it can with --example FILE.npz, an array by the name of each",
            ) from error
        return Example(
            inputs, {name: arrays[name] if name in arrays else found[name] for name in outputs}
        )

    @staticmethod
    def inputs_in(path: Path) -> NamedArrays:
        """The inputs that ``write`` wrote, of whatever model.

        Raises:
            InvalidData: the file is damaged.
        """
        arrays = read_npz(path, MOST_BYTES).items()
        return {name.removeprefix(_INPUT): a for name, a in arrays if name.startswith(_INPUT)}

    @staticmethod
    def read(model: bytes, path: Path) -> "Example":
        """What ``write`` wrote for the model with this content.

        Raises:
            InvalidData: the file is damaged, or of another model.
        """
        arrays, names = read_npz(path, MOST_BYTES), names_of(check_model(model))
        tensors = tuple(zip((_INPUT, _OUTPUT), names, strict=True))
        if arrays.keys() != {kind + one for kind, ones in tensors for one in ones}:
            raise InvalidData(f"{path}", "is of another model", "Import the model again")
        parts = [{one: arrays[kind + one] for one in ones} for kind, ones in tensors]
        return Example(*parts)


def by_runtime(model: bytes, inputs: NamedArrays, *, fused: bool = True) -> NamedArrays:
    """The outputs of ONNX Runtime; see ``open_model``."""
    session = open_model(model, fused=fused)
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(inputs)), strict=True))


def by_reference(model: bytes, inputs: NamedArrays) -> NamedArrays:
    """The outputs of the standard's reference implementation.

    It has some operators in newer versions alone; then the model is converted to these.
    """
    check_model(model)
    parsed = onnx.load_model_from_string(model)
    try:
        evaluator = ReferenceEvaluator(parsed)
    except RuntimeError:
        evaluator = ReferenceEvaluator(convert_version(parsed, _OPSET))
    return dict(zip(evaluator.output_names, evaluator.run(None, dict(inputs)), strict=True))


def largest_difference(found: NamedArrays, expected: NamedArrays) -> float:
    """Over all outputs, relative to the largest value of an output if that is above one.

    Infinite if shapes or names differ, or if one is NaN and the other is not.
    """
    if found.keys() != expected.keys():
        return float("inf")
    return max((_difference(found[name], expected[name]) for name in expected), default=0.0)


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    if found.shape != expected.shape:
        return float("inf")
    if expected.dtype.kind not in "fiub":
        return 0.0 if np.array_equal(found, expected) else float("inf")
    one, other = found.astype(np.float64), expected.astype(np.float64)
    is_same = (one == other) | (np.isnan(one) & np.isnan(other))
    if bool(is_same.all()):
        return 0.0
    difference = np.abs(one - other)[~is_same]
    size = max(1.0, float(np.abs(other[np.isfinite(other)]).max(initial=0.0)))
    return float(np.nan_to_num(difference, nan=np.inf).max()) / size


def _named(kind: str, arrays: NamedArrays) -> dict[str, Any]:
    """Names in an example's file; strings as text, since pickles are not allowed in it."""
    return {
        kind + name: array.astype(str) if array.dtype.kind == "O" else array
        for name, array in arrays.items()
    }


def drawn_inputs(inputs: Any) -> dict[str, NDArray[Any]]:
    """Numbers for each input, from a fixed seed; an axis without a length is taken as 1."""
    generator = np.random.Generator(np.random.PCG64(0))
    arrays: dict[str, NDArray[Any]] = {}
    for one in inputs:
        if one.type not in NUMPY_OF:
            raise InvalidData(
                f"input {one.name} of {one.type}", "can't be drawn", "Give --example FILE.npz"
            )
        shape = [size if isinstance(size, int) else 1 for size in one.shape]
        draws = generator.integers(-1000, 1000, shape) / 1000
        arrays[one.name] = np.asarray(draws, NUMPY_OF[one.type])
    return arrays
