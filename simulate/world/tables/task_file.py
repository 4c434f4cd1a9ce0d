"""A task that is declared once, in a YAML file that simulation, server and boxes share."""

from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from fl_common.configuration.paths import from_home
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from fl_common.vocabulary import Task

_REMEDY = "See the example in docs/how-to/recordings.md"


def read_task(file: str) -> Task:
    """The task under the key ``task`` of ``file``.

    Raises:
        InvalidConfiguration: no such file, no YAML, or no task that can be used.
    """
    path = from_home(file)
    if not path.is_file():
        raise InvalidConfiguration(str(path), "must be a YAML file that declares a task", _REMEDY)
    try:
        values = OmegaConf.to_container(OmegaConf.load(Path(path)), resolve=True)
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError, OSError) as error:
        words = " ".join(str(error).split())
        raise InvalidConfiguration(str(path), f"is not YAML ({words})", _REMEDY) from error
    node = values.get("task") if isinstance(values, dict) else None
    if not isinstance(node, dict) or "_target_" not in node:
        raise InvalidConfiguration(
            str(path), "has no task with a _target_, such as models.tasks.declared", _REMEDY
        )
    task = build(node)
    if not isinstance(task, Task):
        raise InvalidConfiguration(f"{path}: {node['_target_']}", "makes no task", _REMEDY)
    return task
