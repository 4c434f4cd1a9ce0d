"""Models that answer what functions ask on this machine: a file of a run, or a box's own."""

import hashlib
from pathlib import Path

from fl_client.inference.asked import asked_model
from fl_client.inference.network import Network
from fl_client.inference.onnx_model import OnnxModel
from fl_common.components.network import NetworkSpec
from fl_common.errors import InvalidData
from fl_common.functions.asked import Model, Numbers
from fl_common.vocabulary import Task
from fl_server.repository.catalogue.asking import how_asked
from fl_server.repository.catalogue.recipe import Recipe
from fl_server.repository.catalogue.shelf import recipe_with
from models.metadata import read_metadata

MOST_WINDOWS = 64
"""Of one question, as ``engine.largest_batch`` of a box has it."""


def asked_file(path: Path) -> Model:
    """The model in a file, of a run or of the catalogue.

    Raises:
        InvalidData: it can't be read, or is neither; or it carries a state.
    """
    content = read_model(path)
    recipe = recipe_with(hashlib.sha256(content).hexdigest())
    if recipe is not None and (asked := how_asked(recipe, content)):
        return _network(recipe, content, NetworkSpec.read(asked))
    return asked_model(content, task_in(content), MOST_WINDOWS)


def _network(recipe: Recipe, content: bytes, spec: NetworkSpec) -> Model:
    """A network of the catalogue, which answers as on a box."""
    if spec.state:
        raise InvalidData(
            f"the network {recipe.name}", "carries a state, which only a box keeps", "Leave it out"
        )
    network = Network(OnnxModel(content, threads=1), spec)

    def answer(values: Numbers) -> Numbers:
        return network.ask(values)[0]

    return answer


def task_in(content: bytes) -> Task:
    """The task of a model, as it tells it: without what its values are scaled by.

    Raises:
        InvalidData: it is no model of a run.
    """
    about = read_metadata(content)
    channels = len(about.channels)
    return Task(
        name=about.task, channels=about.channels, units=about.units, rate_hz=about.rate_hz,
        window_shape=about.window_shape, labels=about.labels, center=(0.0,) * channels,
        scale=(1.0,) * channels, windows_per_reading=1, kind=about.kind,
    )  # fmt: skip


def read_model(file: Path) -> bytes:
    """The content of a model's file.

    Raises:
        InvalidData: it can't be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidData(
            f"model {file}", f"can't be read ({error.strerror})", "Give a model.onnx"
        ) from error
