"""How a box asks a network of the catalogue, which needs no package that models are made with."""

from typing import Any

from fl_common.files.packed import read_npz
from fl_server.repository.catalogue.recipe import Recipe
from models.metadata import properties_in
from models.onnx.content import check_model
from models.onnx.golden import MOST_BYTES


def how_asked(recipe: Recipe, content: bytes) -> dict[str, Any]:
    """The part ``network`` of its description: how a box asks it.

    Empty where it has a task, and a box gives it its windows.
    """
    if "task" in properties_in(check_model(content)):
        return {}
    example = read_npz(recipe.example, MOST_BYTES)
    asked = {
        "inputs": list(recipe.inputs),
        "shapes": [list(example[name].shape) for name in recipe.inputs],
        "state": dict(recipe.state),
        "constants": dict(recipe.constants),
        "rate_hz": recipe.needs.rate_hz,
        "hop": recipe.needs.hop,
        "megabytes": recipe.limits.megabytes,
    }
    if recipe.largest:
        asked["largest"] = list(recipe.largest)
    return {"network": asked}
