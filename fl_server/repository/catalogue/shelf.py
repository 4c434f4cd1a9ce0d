"""All recipes: those of ours, and those of installed plugins."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from fl_common.components.description import Component
from fl_common.configuration.keys import question
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.installed import ambiguous, plugins
from fl_server.repository.catalogue.recipe import Recipe, read_recipe

FOLDER = "catalogue"
"""The folder of a package, ours or a plugin's, that has its recipes."""
OURS = "join-the-dots"


def own_folder() -> Path:
    """The folder of our recipes."""
    return Path(str(files(FOLDER)))


def recipes() -> Mapping[str, Recipe]:
    """Every recipe by its name, sorted.

    Raises:
        InvalidData: a file is no recipe.
        InvalidConfiguration: two packages have one of the same name.
    """
    found: dict[str, Recipe] = {}
    for path, distribution in sorted(_paths(), key=lambda one: one[0].stem):
        if path.stem in found:
            owners = [found[path.stem].distribution, distribution]
            raise ambiguous(f"catalogue/{path.name}", owners)
        found[path.stem] = read_recipe(path, distribution)
    return found


def recipe_named(name: str) -> Recipe:
    """The recipe of this name.

    Raises:
        InvalidConfiguration: there is none; the message has the nearest name.
    """
    known = recipes()
    if name not in known:
        raise InvalidConfiguration(
            f"{name!r}",
            "is not in the catalogue",
            f"{question(name, known)}See what is: fl-repo catalogue list",
        )
    return known[name]


def recipe_of(component: Component) -> Recipe | None:
    """The installed recipe that exactly this component's one network is of."""
    networks = [file.sha256 for file in component.files if file.path.endswith(".onnx")]
    return recipe_with(networks[0]) if len(networks) == 1 else None


def recipe_with(sha256: str) -> Recipe | None:
    """The installed recipe of the network with this hex digest."""
    return next((one for one in recipes().values() if one.origin.sha256 == sha256), None)


def is_of_catalogue(component: Component) -> bool:
    """Whether its network is one of the catalogue, whose training data are public."""
    return recipe_of(component) is not None


def _paths() -> Iterator[tuple[Path, str]]:
    """Each file with a recipe, and the distribution that has it."""
    for path in own_folder().glob("*.yaml"):
        yield path, OURS
    for plugin in plugins():
        if (folder := plugin.folder(FOLDER)) is not None:
            for path in folder.glob("*.yaml"):
                yield path, plugin.distribution
