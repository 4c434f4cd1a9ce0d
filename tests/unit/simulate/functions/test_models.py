"""What answers a function on this machine, out of a file."""

from pathlib import Path

import numpy as np
import pytest

from fl_common.errors import InvalidData
from simulate.functions.models import asked_file
from tests.support.repositories import World
from tests.unit.fl_server.repository.catalogue.test_adding import NETWORK, plugin, recipe, world

__all__ = ["world"]


def network(folder: Path) -> Path:
    file = folder / "network.onnx"
    file.write_bytes(NETWORK)
    return file


def test_a_network_of_the_catalogue_answers_as_its_recipe_says(world: World) -> None:
    question = np.array([[1, 3]], np.float32)
    file = network(world.folder)
    assert asked_file(file)(question).tolist() == [2, 6]
    (plugin(world) / "twice.yaml").write_bytes(recipe(largest=["y"]))
    assert asked_file(file)(question).tolist() == [1, 6]


def test_one_that_carries_a_state_is_refused(world: World) -> None:
    needs = {"sense": "numbers", "channels": ["a", "b"], "unit": "1", "window": [1, 2],
             "rate_hz": 1, "hop": 1}  # fmt: skip
    state = recipe(inputs={"z": "as it is"}, state={"x": "y"}, needs=needs)
    (plugin(world) / "twice.yaml").write_bytes(state)
    np.savez(plugin(world) / "twice.npz", z=np.zeros((1, 2), np.float32))
    with pytest.raises(InvalidData, match="twice: carries a state, which only a box keeps"):
        asked_file(network(world.folder))


def test_a_file_of_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData):
        asked_file(network(tmp_path))
