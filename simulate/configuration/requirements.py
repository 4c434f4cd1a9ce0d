"""The packages that a run needs by its configuration; checked before anything is built."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.programs.own import check_folder
from fl_common.programs.requirements import SERVER, TRAIN, check_installed

REPORT = "plotly"
WORLDS: Mapping[str, str] = {
    "simulate.world.arrays.Arrays": "pyarrow",
    "simulate.world.digits.Digits": "torchvision",
    "simulate.world.wearables.Wearables": "seglearn",
}
"""What a world needs, by its target; the recordings of ``seglearn`` may come from elsewhere."""
ENGINES: Mapping[str, str] = {"simulate.engines.ray.RayEngine": "ray"}
"""What an engine needs, by its target."""
NETS: Mapping[str, str] = {"models.nets.mobilenet.MobileNet": "torchvision"}
"""What a network needs, by its target."""


def check_run(what: str, config: Config, *, reports: bool) -> None:
    """Raise unless everything that trains, and that the configuration names, is installed.

    ``reports``: the command writes the page with the plots. ``engine=live`` with a model trains
    nothing and needs its data alone.

    Raises:
        InvalidConfiguration: all that is missing; or Ray would find other packages than ours.
    """
    engine = config["engine"]
    if not reports and config["init"] is not None:
        value = f"init={config['init']}"
        raise InvalidConfiguration(value, f"can't be used in {what}", "Leave it out")
    if is_live(config) and engine["model"] is not None:
        return check_world(what, config)
    named = {*TRAIN, *SERVER, *_of_world(config), NETS.get(config["net"]["_target_"])}
    named |= {REPORT} if reports else set()
    named |= {needed := ENGINES.get(engine.get("_target_"))}
    if needed == "ray":
        check_folder("engine=ray", Path.cwd())
    return check_installed(what, "simulation", filter(None, named))


def is_live(config: Config) -> bool:
    """True for ``engine=live``, which is played and watched and carries no run."""
    return bool(config["engine"].get("name") == "live")


def check_world(what: str, config: Config) -> None:
    """Raise unless what the configured world needs is installed.

    Raises:
        InvalidConfiguration: all that is missing.
    """
    check_installed(what, "simulation", _of_world(config))


def _of_world(config: Config) -> Iterator[str]:
    world = config["world"]
    needed = WORLDS.get(world["_target_"])
    if needed is not None and not (needed == "seglearn" and world["root"] is not None):
        yield needed
