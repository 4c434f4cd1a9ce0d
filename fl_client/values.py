"""Rules for values of a box's configuration that no class checks where it is built of them."""

from collections.abc import Mapping
from typing import Any

from fl_common.configuration.addresses import endpoint
from fl_common.configuration.rules import (
    Config,
    Rule,
    above,
    optional,
    require,
    whole,
)
from fl_common.programs.logs import LEVEL

_TEXTS = {
    "components": ("source", "root", "ca_file", "model", "stage"),
    "federation": ("server", "ca_file", "key_file", "ledger_counter"),
}
_MAY_BE_NONE = frozenset({"broker", "annotations"})
_OF_NAMED_ENTRIES = ("sensors", "functions", "transports")
_SECTION = Rule(
    "must be a section, with names and values", lambda value: isinstance(value, Mapping)
)
_KIND = Rule(
    "must be the dotted name of a class", lambda value: isinstance(value, str) and bool(value)
)
_CHANNELS = Rule(
    "must be a list of channels, each with its name, field and unit",
    lambda value: isinstance(value, list) and all(map(_is_channel, value)),
)
_NAME = Rule("must be a text", lambda value: isinstance(value, str) and bool(value))
_FOLDER = Rule("must be a folder", lambda value: isinstance(value, str) and bool(value))
_TOPIC = Rule(
    "must be a topic, which has no + and no #",
    lambda value: isinstance(value, str) and bool(value) and not {"+", "#", "\0"} & set(value),
)


def check_sections(values: Config, shipped: Config) -> None:
    """Check that what is a section in ``shipped`` is one in ``values``, too, which has its keys.

    Raises:
        InvalidConfiguration: for the first that is something else.
    """
    _check_sections("", values, shipped)
    for part in _OF_NAMED_ENTRIES:
        for name, entry in values[part].items():
            require(f"{part}.{name}", entry, _SECTION)


def check_values(values: Config) -> None:
    """Check values that are used as they are.

    Raises:
        InvalidConfiguration: for the first that can't be used.
    """
    for name, sensor in values["sensors"].items():
        require(f"sensors.{name}._target_", sensor.get("_target_"), _KIND)
        require(f"sensors.{name}.channels", sensor.get("channels"), _CHANNELS)
        require(f"sensors.{name}.rate_hz", sensor.get("rate_hz"), optional(above(0)))
        require(f"sensors.{name}.longest_gap_s", sensor.get("longest_gap_s"), optional(above(0)))
        require(f"sensors.{name}.transport", sensor.get("transport"), optional(_NAME))
    require("name", values["name"], _NAME)
    if values["annotations"] is not None:
        transport = values["annotations"].get("transport")
        require("annotations.transport", transport, optional(_NAME))
    require("home", values["home"], _FOLDER)
    require("log_level", str(values["log_level"]).lower(), LEVEL)
    require("failures_allowed", values["failures_allowed"], whole(0))
    require("http.port", values["http"]["port"], whole(0, 65535))
    for part, names in _TEXTS.items():
        for name in names:
            require(f"{part}.{name}", values[part][name], optional(_NAME))
    if values["serving"]["address"] is not None:
        endpoint("serving.address", str(values["serving"]["address"]), least_port=0)
    require("events.predictions", values["events"]["predictions"], _TOPIC)
    require("events.happenings", values["events"]["happenings"], _TOPIC)
    require("events.status", values["events"]["status"], optional(_TOPIC))


def _is_channel(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("name"), str)


def _check_sections(place: str, given: Config, shipped: Mapping[Any, Any]) -> None:
    """What is a section in the shipped configuration must be one in another, too."""
    for key, known in shipped.items():
        if not isinstance(known, Mapping) or key not in given:
            continue
        if given[key] is None and place + key in _MAY_BE_NONE:
            continue
        require(f"{place}{key}", given[key], _SECTION)
        if given[key].get("_target_") == known.get("_target_"):
            _check_sections(f"{place}{key}.", given[key], known)
