"""The parts of a configuration, and those of its values that no constructor checks."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml

from fl_common.configuration.keys import check_known
from fl_common.configuration.kinds import CLASS
from fl_common.configuration.rules import SECTION, require
from fl_common.configuration.settings import flat
from fl_common.errors import InvalidConfiguration

_WORLD = "world"
"""The part that a task brings; it has no folder of options."""
_HYDRA = ("defaults", "hydra")


def groups() -> set[str]:
    """The names of the configuration's groups."""
    return {entry.name for entry in files("conf").iterdir() if entry.is_dir()}


def check_parts(values: Mapping[Any, Any], name: str = "config") -> None:
    """Refuse a part of ``conf/{name}.yaml``, or a value in one of its sections, that nothing reads.

    And a part that is no section, and a class that is not named by a text.

    Raises:
        InvalidConfiguration: for the first such key; for one that is not known, with the nearest.
    """
    for part in sorted({*_parts(), _WORLD} & values.keys()):
        if values[part] is not None:
            require(part, values[part], SECTION)
    _check_targets("", values)
    sections = _sections(name)
    check_known("", values, {*sections, *_parts(), _WORLD})
    for section, known in sections.items():
        if known is not None and isinstance(values[section], Mapping):
            check_known(f"{section}.", values[section], known)
    if "_target_" not in values["engine"]:
        known = {*_own(f"engine/{values['engine'].get('name')}"), "training"}
        check_known("engine.", values["engine"], known)
    _check_data(values.get("data"), values.get(_WORLD))


def _check_data(data: Any, world: Any) -> None:
    """Refuse a place of the data that the ``world`` has no use for."""
    if not (isinstance(data, Mapping) and isinstance(world, Mapping)):
        return
    read = [*map(str, flat(world).values())]
    for key in _own("config")["data"]:
        place = data.get(key)
        if place is not None and key not in world and str(place) not in read:
            raise InvalidConfiguration(
                f"data.{key}={place}",
                "is not read by this task",
                "Leave it out: data.root is of public data sets, data.path of task=arrays",
            )


def _check_targets(place: str, values: Mapping[Any, Any]) -> None:
    for key, value in values.items():
        if key == "_target_":
            require(f"{place}{key}", value, CLASS)
        elif isinstance(value, Mapping):
            _check_targets(f"{place}{key}.", value)


def _sections(name: str) -> dict[str, set[str] | None]:
    """The keys at the root, with those below them; None for a value."""
    tasks = (entry.name.removesuffix(".yaml") for entry in files("conf").joinpath("task").iterdir())
    found: dict[str, set[str] | None] = {}
    for values in (_own("config"), _own(name), *(_own(f"task/{task}") for task in tasks)):
        for key, value in values.items():
            inner = set(value) if isinstance(value, Mapping) else None
            found[key] = inner if inner is None else inner | (found.get(key) or set())
    return {key: value for key, value in found.items() if key not in {*_HYDRA, _WORLD, *groups()}}


def _parts() -> set[str]:
    """The groups of which a run has an option."""
    return {
        part for entry in _own("config")["defaults"] if isinstance(entry, dict) for part in entry
    }


def _own(name: str) -> Mapping[str, Any]:
    """The content of a shipped file; nothing where there is none."""
    file = files("conf").joinpath(f"{name}.yaml")
    values = yaml.safe_load(file.read_text("utf-8")) if file.is_file() else {}
    return values if isinstance(values, Mapping) else {}


def group_choices(overrides: Sequence[str]) -> list[str]:
    """Those of ``overrides`` that choose an option of a group."""
    chosen = {*groups(), "experiment"}
    return [text for text in overrides if text.partition("=")[0] in chosen]
