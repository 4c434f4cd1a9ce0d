"""Build what a node's configuration declares: its sensors and labels, and how they cut windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fl_client.sensors.intake import Source as MessageSource
from fl_client.sensors.intake import name_of
from fl_client.sensors.sensor import Sensor
from fl_client.sensors.topics import check_streams_alike
from fl_client.windows import SECOND, Slicing, Source
from fl_client.windows.declared import OF_A_CHANNEL, OF_A_SENSOR, slicing_of, sources_of
from fl_client.windows.grid import Grid
from fl_common.configuration.rules import Config, above, one_of, optional, require
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from fl_common.vocabulary import Task

MQTT = "mqtt"
"""The default transport: the broker's."""

_CHANNEL = "fl_client.sensors.sensor.Channel"


@dataclass(frozen=True)
class Declared:
    """The sources of messages by their transport's name, the sensors as sources, and how they cut.

    A transport's annotations come first, so they win if a sensor's address also covers theirs.
    """

    messages: Mapping[str, list[MessageSource]]
    sensors: list[Source]
    slicing: Slicing
    window_s: float
    """How long a window takes."""
    silent_s: Mapping[str, float | None]
    """How long each sensor may be silent; None: for ever."""
    in_memory: bool
    """Whether nothing of readings is stored."""


def build_declared(config: Config, task: Task) -> Declared:
    """The sensors and annotations that ``config`` declares.

    Raises:
        InvalidConfiguration: a declaration that can't be used.
    """
    messages: dict[str, list[MessageSource]] = {}
    if config["annotations"]:
        transport, arguments = _by_transport(config["annotations"])
        messages[transport] = [build(arguments, at="annotations")]
    sources = sources_of(config)
    silent_s = dict[str, float | None]()
    for source, (name, node) in zip(sources, config["sensors"].items(), strict=True):
        at = f"sensors.{name}"
        transport, arguments = _by_transport(_without(node, OF_A_SENSOR))
        default_s = None if source.is_on_change else config["silent_s"]
        silent_s[name] = arguments.pop("silent_s", default_s)
        require(f"{at}.silent_s", silent_s[name], optional(above(0)))
        channels = [
            build({"_target_": _CHANNEL, **_without(one, OF_A_CHANNEL)}, at=f"{at}.channels.{n}")
            for n, one in enumerate(node["channels"])
        ]
        named = {**arguments, "name": name, "task": task, "channels": channels}
        sensor = build(named, at=at)
        messages.setdefault(transport, []).append(sensor)
    every = [one for some in messages.values() for one in some]
    check_streams_alike([(name_of(one), one.stream_levels) for one in every])
    slicing = slicing_of(config, task)
    window_s = Grid(task, slicing).length_ns / SECOND
    return Declared(messages, sources, slicing, window_s, silent_s, _in_memory(config, every))


def _in_memory(config: Config, sources: Sequence[MessageSource]) -> bool:
    """Whether nothing of readings is stored: as ``retain`` says, or as the sensors' decoders do."""
    retain = config["retain"]
    require("retain", retain, optional(one_of(["all", "none"])))
    nothing = any(isinstance(one, Sensor) and one.retains_nothing for one in sources)
    if not (retain == "none" or (retain is None and nothing)):
        return False
    if config["federation"]["server"]:
        raise InvalidConfiguration(
            f"retain={retain or 'none, as of sound and pictures'}",
            "leaves no window to train on, and federation.server is set",
            "Set retain=all, or federation.server=null",
        )
    if (shape := config["windows"]["shape"]) is not None:
        raise InvalidConfiguration(
            f"retain={retain or 'none, as of sound and pictures'}",
            f"leaves no window on disk, where windows wait for windows.shape={shape}",
            "Set retain=all, or windows.shape=null",
        )
    return True


def _by_transport(node: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The transport named in a declaration, and the other keys."""
    arguments = dict(node)
    return arguments.pop("transport", MQTT), arguments


def _without(node: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in keys}
