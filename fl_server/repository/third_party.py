"""A third-party model as a component, described by its ONNX file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from fl_common.errors import InvalidData
from fl_common.files.packed import read_npz
from fl_common.programs.limited_child import ChildLimits
from models.onnx.content import check_model
from models.onnx.example import EXAMPLE
from models.onnx.golden import MOST_BYTES
from models.onnx.trial import example_of


@contextmanager
def as_component(
    model: Path, example: Path | None, origin: str, licence: str, limits: ChildLimits
) -> Iterator[tuple[dict[str, Path], dict[str, Any]]]:
    """The files and the description of a third-party model, for the duration of the block.

    Each file is read once: what is described and tried is what is added. The model runs in a child
    process within ``limits``. The files include fixed inputs and outputs (``example.npz``):
    those in the file ``example``, or inputs drawn from a seed.

    Raises:
        InvalidData: as ``describe_onnx`` and ``Example.of``.
    """
    content = model.read_bytes()
    described = {**describe_onnx(content), "licence": licence, "origin": origin}
    arrays = read_npz(example, MOST_BYTES) if example else None
    found = example_of(content, arrays, limits)
    with TemporaryDirectory() as folder:
        copy, file = Path(folder, "model.onnx"), Path(folder, EXAMPLE)
        copy.write_bytes(content)
        file.write_bytes(found)
        yield {copy.name: copy, EXAMPLE: file}, described


def describe_onnx(content: bytes) -> dict[str, Any]:
    """The inputs and outputs of the ONNX model in ``content``, for a component's description.

    Raises:
        InvalidData: it is not an ONNX model, is malformed, or breaks a rule of
            ``models.onnx.content``, such as one that keeps weights in other files.
    """
    check_model(content)
    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # the errors of the library's parser and checker have no common base
        reason = " ".join(str(error).split())[:200]
        raise InvalidData(
            "the model file", f"is no valid ONNX model ({reason})", "Give one .onnx file"
        ) from error
    _check_tensors(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    return {
        "inputs": [_tensor(value) for value in model.graph.input if value.name not in weights],
        "outputs": [_tensor(value) for value in model.graph.output],
    }


def _check_tensors(model: onnx.ModelProto) -> None:
    """Raise InvalidData unless every input and output is a tensor of a type that a site takes."""
    for value in (*model.graph.input, *model.graph.output):
        which = value.type.WhichOneof("value")
        kind = value.type.tensor_type.elem_type
        if which != "tensor_type" or kind not in _TYPES:
            found = which if which != "tensor_type" else onnx.TensorProto.DataType.Name(kind)
            raise InvalidData(
                f"{value.name[:80]!r} of the model file",
                f"is of the type {found}, and inputs and outputs must be tensors of numbers,"
                " booleans or text",
                "Export the model so: in skl2onnx with options={'zipmap': False}, which gives"
                " probabilities as a tensor",
            )


_TYPES = range(onnx.TensorProto.FLOAT, onnx.TensorProto.UINT64 + 1)
"""Element types of tensors that ONNX Runtime gives and takes as numpy's."""


def _tensor(value: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = value.type.tensor_type
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return {"name": value.name, "type": kind, "shape": [_axis(one) for one in tensor.shape.dim]}


def _axis(axis: onnx.TensorShapeProto.Dimension) -> int | str | None:
    which = axis.WhichOneof("value")
    return getattr(axis, which) if which else None
