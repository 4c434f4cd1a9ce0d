"""The metadata properties of a model's file, written and read; ``models.lineage`` has their form.

Separate from it, because a site reads them with ONNX Runtime, without the package ``onnx``.
"""

from pathlib import Path

import onnx

from fl_common.errors import InvalidData
from models.lineage import ModelMetadata, parse_properties, properties_of

__all__ = [
    "read_metadata",
]


def write_properties(model: onnx.ModelProto, metadata: ModelMetadata) -> None:
    """Make ``metadata`` the metadata properties of ``model``, in place."""
    onnx.helper.set_model_props(model, properties_of(metadata))


def read_metadata(path: Path) -> ModelMetadata:
    """The metadata of the model file at ``path``.

    Raises:
        InvalidData: the file can't be read, or is not a model that this framework published.
    """
    try:
        onnx.checker.check_model(path)
        model = onnx.load(path)
        return parse_properties({entry.key: entry.value for entry in model.metadata_props})
    except (OSError, onnx.checker.ValidationError, KeyError, TypeError, ValueError) as error:
        raise InvalidData(
            f"model {path}",
            f"is not an ONNX file with our metadata properties ({type(error).__name__}: {error})",
            "Give a model.onnx that a run has written",
        ) from error
