"""The shape that windows went through before the earlier model that a run begins with."""

from pathlib import Path

from fl_common.configuration.paths import from_home
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Task
from models.metadata import read_metadata


def check_same_shape(config: Config, task: Task) -> None:
    """Refuse an ``init`` that was trained on windows of another shape than those of ``task``.

    A model, and the folder of a run that has ended, say which; other files of parameters do not.

    Raises:
        InvalidConfiguration: it is another one, or only one of the two has any.
    """
    if config["init"] is None:
        return
    place = from_home(str(config["init"]))
    path = place / "model.onnx" if place.is_dir() else place
    if path.suffix != ".onnx" or (content := _read(path)) is None:
        return
    try:
        before = read_metadata(content).shape
    except InvalidData:
        return  # it is refused when its parameters are read
    digests = [None if shape is None else shape.digest for shape in (before, task.shape)]
    if digests[0] == digests[1]:
        return
    own = "no shape" if task.shape is None else f"the shape {task.shape}"
    raise InvalidConfiguration(
        f"init={config['init']}",
        f"was trained on windows of {'no shape' if before is None else f'the shape {before}'},"
        f" and those of this run go through {own}",
        "Give shape=FOLDER of that version, or leave it out, as it was; or begin without init",
    )


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
