"""A third-party model as a component, described by its ONNX file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from fl_common.errors import InvalidData
from models.example import EXAMPLE, Example


@contextmanager
def as_component(
    model: Path, example: Path | None, origin: str, licence: str
) -> Iterator[tuple[dict[str, Path], dict[str, Any]]]:
    """The files and the description of a third-party model, for the duration of the block.

    The files include fixed inputs and outputs (``example.npz``): those in the file ``example``, or
    inputs drawn from a seed.

    Raises:
        InvalidData: as ``describe_onnx`` and ``Example.of``.
    """
    described = {**describe_onnx(model), "licence": licence, "origin": origin}
    with TemporaryDirectory() as folder:
        file = Path(folder) / EXAMPLE
        Example.of(model, example).write(file)
        yield {"model.onnx": model, EXAMPLE: file}, described


def describe_onnx(path: Path) -> dict[str, Any]:
    """The inputs and outputs of an ONNX file, for a component's description.

    Raises:
        InvalidData: it is not an ONNX model, is malformed, or keeps weights in other files.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:  # the errors of the library's parser and checker have no common base
        reason = " ".join(str(error).split())[:200]
        raise InvalidData(
            f"{path}", f"is no valid ONNX model ({reason})", "Give one .onnx file"
        ) from error
    tensors = model.graph.initializer
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        raise InvalidData(
            f"{path}", "keeps weights in another file", "Save it again as one file, with onnx.save"
        )
    weights = {tensor.name for tensor in tensors}
    return {
        "inputs": [_tensor(value) for value in model.graph.input if value.name not in weights],
        "outputs": [_tensor(value) for value in model.graph.output],
    }


def _tensor(value: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = value.type.tensor_type
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return {"name": value.name, "type": kind, "shape": [_axis(one) for one in tensor.shape.dim]}


def _axis(axis: onnx.TensorShapeProto.Dimension) -> int | str | None:
    which = axis.WhichOneof("value")
    return getattr(axis, which) if which else None
