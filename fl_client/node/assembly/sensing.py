"""Build a node's inputs: its sensors and labels, and the transports of their messages."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_client.node.sensor_watch import SensorWatch
from fl_client.sensors.intake import Intake
from fl_client.sensors.intake import Source as MessageSource
from fl_client.sensors.transports import Transport
from fl_client.sensors.transports.mqtt.transport import MqttTransport
from fl_client.windows import SECOND, Source
from fl_client.windows.grid import Grid
from fl_common.configuration.rules import Config, above, optional, require
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from fl_common.plugins.kinds import TRANSPORT
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task

MQTT = "mqtt"
"""The default transport: the broker's."""

_CHANNEL = "fl_client.sensors.sensor.Channel"


@dataclass(frozen=True)
class Declared:
    """The sources of messages by their transport's name, and the sensors as sources of windows.

    A transport's annotations come first, so they win if a sensor's address also covers theirs.
    """

    messages: Mapping[str, list[MessageSource]]
    sensors: list[Source]
    silent_s: Mapping[str, float | None]
    """How long each sensor may be silent; None: for ever."""


@dataclass(frozen=True)
class Inlet:
    """A transport, and the intake that reads its messages."""

    transport: Transport
    intake: Intake


@dataclass(frozen=True)
class Sensing:
    """The inlets by the names of their transports; ``mqtt`` publishes, None without a broker."""

    inlets: Mapping[str, Inlet]
    mqtt: MqttTransport | None
    watch: SensorWatch


def build_declared(config: Config, task: Task) -> Declared:
    """The sensors and annotations that ``config`` declares.

    Raises:
        InvalidConfiguration: a declaration that can't be used.
    """
    messages: dict[str, list[MessageSource]] = {}
    if config["annotations"]:
        transport, arguments = _by_transport(config["annotations"])
        messages[transport] = [build(arguments)]
    sensors, silent_s = [], dict[str, float | None]()
    for name, node in config["sensors"].items():
        transport, arguments = _by_transport(node)
        rate_hz = arguments.pop("rate_hz", None)
        silent_s[name] = arguments.pop("silent_s", config["silent_s"])
        require(f"sensors.{name}.silent_s", silent_s[name], optional(above(0)))
        channels = [build({"_target_": _CHANNEL, **channel}) for channel in node["channels"]]
        sensor = build({**arguments, "name": name, "task": task, "channels": channels})
        messages.setdefault(transport, []).append(sensor)
        sensors.append(Source(name, sensor.channels, rate_hz))
    return Declared(messages, sensors, silent_s)


def build_sensing(
    config: Config, task: Task, declared: Declared, troubles: Troubles, *, connected: bool = True
) -> Sensing:
    """The configured transports, each with the sources declared for it; none if not ``connected``.

    Raises:
        InvalidConfiguration: a transport can't be used or there is none, or a sensor names an
            unknown one.
    """
    length_s = Grid(task, build(config["windows"])).length_ns / SECOND
    watch = SensorWatch(declared.silent_s, length_s, troubles)
    if not connected:
        return Sensing({}, None, watch)
    transports: dict[str, Transport] = {}
    mqtt = None
    if config["broker"]:
        home = Path(config["home"])
        mqtt = MqttTransport(build(config["broker"]), random.Random(), troubles, home=home)
        transports[MQTT] = mqtt
    for name, node in config["transports"].items():
        if name == MQTT:
            rule, remedy = "is the broker's transport", "Set broker, and name this one otherwise"
            raise InvalidConfiguration(f"transports.{name}", rule, remedy)
        transports[name] = build(node, TRANSPORT)
    for name, sources in declared.messages.items():
        _check(name, sources, transports)
    inlets = {
        name: Inlet(
            transport,
            Intake(declared.messages.get(name, ()), transport.matches, config["payload_bytes"]),
        )
        for name, transport in transports.items()
    }
    if not inlets:
        rule = "leaves no way for messages to come"
        raise InvalidConfiguration("broker=null", rule, "Set broker, or transports=http")
    return Sensing(inlets, mqtt, watch)


def _by_transport(node: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The transport named in a declaration, and the other keys."""
    arguments = dict(node)
    return arguments.pop("transport", MQTT), arguments


def _check(name: str, sources: list[MessageSource], transports: Mapping[str, Transport]) -> None:
    """Refuse a transport that is not configured, and addresses that it can't have."""
    first = getattr(sources[0], "name", "annotations")
    if name not in transports:
        known = ", ".join(transports) or "none"
        remedy = (
            f"Name one of those that are configured ({known}), or configure it: broker is that of"
            f" {MQTT}, transports=http that of http"
        )
        raise InvalidConfiguration(f"transport {name} of {first}", "is not configured", remedy)
    for source in sources:
        transports[name].check(getattr(source, "name", "annotations"), source.topic)
