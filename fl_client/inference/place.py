"""Put a model into a box's slot: one that a run has written, or that another box serves."""

from pathlib import Path

from fl_client.home import MODEL, SLOTS
from fl_client.inference.slots import ModelSlot
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.programs.text import visible
from models.metadata import read_metadata


def place_model(file: Path, home: Path) -> str:
    """Make ``file`` the model that the box at ``home`` should serve; a line that says so.

    Raises:
        InvalidData: it can't be read, or is no model of a run; nothing has changed.
        InvalidConfiguration: the slot can't be written.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidData(
            f"model {file}", f"can't be read ({error.strerror})", "Give a model.onnx"
        ) from error
    metadata = read_metadata(content)
    slot = ModelSlot(home / SLOTS / MODEL)
    digest = slot.place(file)
    slot.activate(digest)
    return (
        f"{file}: is version {digest[:12]} of the model in {slot.folder}, for the task"
        f" {visible(metadata.task)}. A running node says in its log, and fl-client status, whether"
        " it serves."
    )


def copy_model(site: Path, home: Path) -> None:
    """Make the model that the box at ``site`` should serve that of another box, at ``home``.

    Raises:
        InvalidConfiguration: ``site`` has none.
    """
    slot = ModelSlot(site / SLOTS / MODEL)
    digest = slot.current()
    if digest is None:
        raise InvalidConfiguration(
            f"home={site}", "has no model", "Place one with: fl-client model FILE --home FOLDER"
        )
    own = ModelSlot(home / SLOTS / MODEL)
    own.activate(own.place(slot.folder / "versions" / digest / "model.onnx"))
