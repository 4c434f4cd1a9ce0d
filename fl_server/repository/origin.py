"""Whether a model that is said to be a third party's is a run's after all.

The gates for a run's model judge its privacy and its accuracy; those for a third party's don't. So
a run's model must not lose them by being imported from its own file.
"""

import hashlib
from collections.abc import Iterator, Set

from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import BadInput
from fl_server.repository.catalogue.shelf import is_of_catalogue
from fl_server.repository.store.contents import content_of_file
from fl_server.repository.store.repository import ComponentRepository
from models.lineage import parse_properties
from models.metadata import properties_in
from models.onnx.content import check_model, tensors_of
from models.onnx.reading import Message

_LEAST_BYTES = 64
"""Of a tensor of weights that tells a model: below, two models may have the same by chance."""
_VALUES = ("raw_data", "float_data", "double_data")
_FLOATS = (1, 10, 11, 16)
"""``TensorProto.DataType``: float32, float16, float64, bfloat16."""


def is_imported(component: Component) -> bool:
    """Whether its description says that it is a third party's model."""
    return component.kind == Kind.MODEL and "origin" in component.description


def run_behind(repository: ComponentRepository, component: Component) -> str | None:
    """Why this imported model counts as a run's, in a phrase; None if it does not.

    It does if a run's model ever had its name; if its file, or a tensor of its weights, is that of
    a run's model of which the repository has the content; or if its file says so itself. The
    networks of the catalogue were trained on public data, so for these the name alone counts.
    """
    for event in repository.history(component.kind, component.name, Stage.TESTING):
        earlier = repository.component(event.digest, component.kind, component.name)
        if not is_imported(earlier):
            return f"its name is that of a run's model, version {earlier.version}"
    if is_of_catalogue(component):
        return None
    models = list(_models_in(repository, component))
    if any(map(_says_so, models)):
        return "its file says that a run made it"
    return _same_as(repository, component, {one for model in models for one in _weights(model)})


def _same_as(
    repository: ComponentRepository, component: Component, weights: Set[bytes]
) -> str | None:
    files = {file.sha256 for file in component.files if file.path.endswith(".onnx")}
    for other in _runs_models(repository):
        if files & {file.sha256 for file in other.files}:
            return f"its file is that of {other}"
        for model in _models_in(repository, other):
            if not weights.isdisjoint(_weights(model)):
                return f"it has weights of {other}"
    return None


def _runs_models(repository: ComponentRepository) -> Iterator[Component]:
    """Every model of a run that was ever added; a manifest's name has its digest."""
    folder = repository.folder / "targets" / Stage.TESTING / Kind.MODEL
    for path in sorted(folder.glob("*.json")):
        digest, _, name = path.stem.partition(".")
        component = repository.component(digest, Kind.MODEL, name)
        if not is_imported(component):
            yield component


def _models_in(repository: ComponentRepository, component: Component) -> Iterator[Message]:
    """Its ONNX files, those aside whose content was deleted or is no model."""
    for file in component.files:
        if file.path.endswith(".onnx"):
            try:
                yield check_model(content_of_file(repository.folder, component, file))
            except BadInput:
                continue  # it can't be run, so it passes no gate


def _says_so(model: Message) -> bool:
    try:
        parse_properties(properties_in(model))
    except (KeyError, TypeError, ValueError):
        return False
    return True


def _weights(model: Message) -> Iterator[bytes]:
    """A digest of each tensor of weights: not of small ones, nor of those with one value."""
    for tensor in tensors_of(model):
        parts = [part for name in _VALUES for part in tensor.many(name)]
        if tensor.one("data_type") in _FLOATS and not any(isinstance(part, int) for part in parts):
            content = b"".join(parts)
            if len(content) >= _LEAST_BYTES and content[8:] != content[:-8]:
                yield hashlib.sha256(content).digest()
