"""The parameters of published models, which the cloud keeps so that sites can evaluate them again.

An exporter renames and folds parameters, so a model's file does not contain them all. They are kept
in the repository's folder beside the signed files, and are trusted only if their digest is the one
stated in the model's own, signed file.
"""

import io
import json
import re

import numpy as np

from fl_common import params
from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import BadInput
from fl_common.files.packed import read_npz
from fl_common.files.whole import write_whole
from fl_common.plan import RunPlan
from fl_common.vocabulary import NetSpec, Parameters
from fl_server.repository.store.contents import content_of_file, parameters_path
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.comparison import Incumbent
from models.metadata import read_metadata

_MOST_BYTES = 4 << 30
"""Of one model's parameters."""


def find_incumbent(repository: ComponentRepository, plan: RunPlan) -> Incumbent | str | None:
    """The model in production for the task of ``plan``, why sites can't evaluate it, or None.

    Raises:
        InvalidConfiguration: there is no repository.
    """
    name = component_name(plan.task.name)
    entry = repository.entry(Kind.MODEL, name, Stage.PRODUCTION)
    if entry is None or entry.retired:
        return None
    component = entry.component
    definition = component.description.get("definition")
    if definition is None:
        return f"{component} in production is not of a run"
    try:
        if definition["task"] != json.loads(json.dumps(plan.task.to_fields())):
            return f"{component} in production has another definition of the task"
        net, parameters = NetSpec(**definition["net"]), _parameters_of(repository, component)
    except (OSError, LookupError, TypeError, ValueError, BadInput) as error:
        words = " ".join(str(error).split())[:200]
        return f"the parameters of {component} in production can't be read ({words})"
    return Incumbent(component.digest, net, parameters)


def keep_parameters(
    repository: ComponentRepository, component: Component, parameters: Parameters
) -> None:
    """Keep the ``parameters`` of a model beside the repository's signed files."""
    content = io.BytesIO()
    np.savez(content, **parameters)  # type: ignore[arg-type]
    write_whole(parameters_path(repository.folder, component.digest), content.getvalue())


def component_name(task: str) -> str:
    """A task's name in the form that names of components have."""
    return re.sub(r"[^a-z0-9._-]", "-", task.lower()).lstrip("._-")[:64] or "model"


def _parameters_of(repository: ComponentRepository, component: Component) -> Parameters:
    files = [file for file in component.files if file.path.endswith(".onnx")]
    content = content_of_file(repository.folder, component, files[0])
    stated = read_metadata(content).parameter_digest
    kept = parameters_path(repository.folder, component.digest)
    parameters: Parameters = read_npz(kept, _MOST_BYTES)
    if params.digest(parameters) != stated:
        raise ValueError("they are not those of which its file was made")
    return parameters
