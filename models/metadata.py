"""The metadata properties of a model's file, read; ``models.lineage`` has their form."""

from fl_common.errors import InvalidData
from models.lineage import ModelMetadata, parse_properties
from models.onnx.content import check_model
from models.onnx.reading import Message

__all__ = [
    "read_metadata",
]


def read_metadata(content: bytes) -> ModelMetadata:
    """The metadata of the model in ``content``.

    Raises:
        InvalidData: it is not a model that this framework published.
    """
    try:
        return parse_properties(properties_in(check_model(content)))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidData(
            "the model",
            f"is not an ONNX file with our metadata properties ({type(error).__name__}: {error})",
            "Give a model.onnx that a run has written",
        ) from error


def properties_in(model: Message) -> dict[str, str]:
    """The metadata properties of a model."""
    return {pair.text("key"): pair.text("value") for pair in model.many("metadata_props")}
