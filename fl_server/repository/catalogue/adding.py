"""From a recipe and a network's bytes to a component: what is signed, once its answer is right."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.files.packed import read_npz
from fl_common.programs.limited_child import ChildLimits
from fl_common.vocabulary import NamedArrays
from fl_server.repository.catalogue.asking import how_asked
from fl_server.repository.catalogue.recipe import Recipe, Right
from fl_server.repository.third_party import as_component
from models.metadata import properties_in
from models.onnx.content import check_model
from models.onnx.golden import MOST_BYTES
from models.onnx.trial import RUNTIME, outputs_of

RECIPE = "recipe.yaml"
"""The file of a component that holds its recipe."""


@contextmanager
def as_recipe_says(
    recipe: Recipe, content: bytes, texts: Mapping[str, bytes], limits: ChildLimits
) -> Iterator[tuple[dict[str, Path], dict[str, Any]]]:
    """The files and the description of the recipe's network, for the duration of the block.

    ``content`` is the network, ``texts`` its licence's by name. It runs in a child process within
    ``limits``, and in the memory that the recipe allows.

    Raises:
        InvalidData: its inputs are others than the recipe's, it takes too much, or its answer to
            the worked example is not the right one.
    """
    limits = replace(limits, megabytes=min(limits.megabytes, recipe.limits.megabytes))
    with TemporaryDirectory() as place:
        model = Path(place, "network.onnx")
        model.write_bytes(content)
        origin = str(recipe.origin)
        with as_component(model, recipe.example, origin, recipe.licence.spdx, limits) as (
            files,
            described,
        ):
            _check_names(recipe, described)
            _check_labels(recipe, content)
            check_answer(recipe, content, limits)
            files[RECIPE] = _kept(place, RECIPE, recipe.text)
            files |= {f"licences/{name}": _kept(place, name, text) for name, text in texts.items()}
            described |= {"about": recipe.about, **how_asked(recipe, content)}
            if recipe.labels and not isinstance(recipe.labels, str):
                described |= {"labels": list(recipe.labels)}
            yield files, described


def _check_labels(recipe: Recipe, content: bytes) -> None:
    """Raise InvalidData where the file should have the labels, and has none."""
    if isinstance(recipe.labels, str) and recipe.labels not in properties_in(check_model(content)):
        rule = f"has no metadata property {recipe.labels!r}, where the recipe's labels are"
        raise InvalidData(str(recipe.origin), rule, "Correct the recipe")


def check_answer(recipe: Recipe, content: bytes, limits: ChildLimits) -> None:
    """Raise InvalidData unless the network answers the worked example as the recipe says."""
    arrays = read_npz(recipe.example, MOST_BYTES)
    inputs = {name: arrays[name] for name in (*recipe.inputs, *recipe.state, *recipe.constants)}
    found = outputs_of(content, inputs, RUNTIME, limits)
    for right in recipe.right:
        if wrong := _wrong(right, found):
            raise InvalidData(
                f"{recipe.name}: {right.output}",
                f"{wrong}, where the worked example is: {recipe.says}",
                "Correct the recipe, or its example",
            )


def _wrong(right: Right, found: NamedArrays) -> str:
    """What is wrong with an output; empty: it is right."""
    if right.output not in found:
        return f"is none of the outputs ({', '.join(found)})"
    values: NDArray[Any] = found[right.output]
    if right.largest is not None:
        places = values.argmax(axis=-1)
        if np.array_equal(places, np.asarray(right.largest)):
            return ""
        return f"is largest at {places.tolist()!s:.200}, not at {right.largest!s:.200}"
    if len(right.index) != values.ndim:
        return f"has the shape {values.shape}, and no place {right.index}"
    value = float(values[right.index])
    least = -np.inf if right.least is None else right.least
    most = np.inf if right.most is None else right.most
    if least <= value <= most:
        return ""
    return f"is {value:.4g} at {right.index}, and not between {least:g} and {most:g}"


def _check_names(recipe: Recipe, described: Mapping[str, Any]) -> None:
    """Raise InvalidData unless the recipe says of each input how it is made, and names outputs."""
    inputs = {tensor["name"] for tensor in described["inputs"]}
    outputs = {tensor["name"] for tensor in described["outputs"]}
    said = [*recipe.inputs, *recipe.state, *recipe.constants]
    if sorted(said) != sorted(inputs) or not outputs.issuperset(recipe.state.values()):
        rule = f"names the inputs {json.dumps(sorted(said))}, and the network has"
        raise InvalidData(
            f"{recipe.name}.yaml",
            f"{rule} {json.dumps(sorted(inputs))}, and the outputs {json.dumps(sorted(outputs))}",
            "Say of each input once how it is made: inputs, state or constants",
        )
    if unknown := {*recipe.largest} - (outputs - {*recipe.state.values()}):
        raise InvalidData(
            f"{recipe.name}.yaml",
            f"names {json.dumps(sorted(unknown))} as largest, and the outputs but its states are"
            f" {json.dumps(sorted(outputs - {*recipe.state.values()}))}",
            "Name one of these, or leave largest out",
        )


def _kept(place: str, name: str, content: bytes) -> Path:
    path = Path(place, name)
    path.write_bytes(content)
    return path
