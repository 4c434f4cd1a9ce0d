"""Build a node's inputs: its sensors and labels, and the transports of their messages."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fl_client.node.assembly.declared import MQTT, Declared, build_declared
from fl_client.node.sensor_watch import SensorWatch
from fl_client.sensors.intake import Intake, name_of
from fl_client.sensors.intake import Source as MessageSource
from fl_client.sensors.transports import Transport
from fl_client.sensors.transports.mqtt.transport import MqttTransport
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from fl_common.plugins.kinds import TRANSPORT
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task


@dataclass(frozen=True)
class Inlet:
    """A transport, and the intake that reads its messages."""

    transport: Transport
    intake: Intake


@dataclass(frozen=True)
class Sensing:
    """What is declared, and the inlets by their transports' names.

    ``mqtt`` publishes; it is None without a broker.
    """

    declared: Declared
    inlets: Mapping[str, Inlet]
    mqtt: MqttTransport | None
    watch: SensorWatch


def build_sensing(
    config: Config, task: Task, troubles: Troubles, *, connected: bool = True
) -> Sensing:
    """The configured transports, each with the sources declared for it; none if not ``connected``.

    Raises:
        InvalidConfiguration: a declaration or a transport can't be used, there is no transport, or
            a sensor names an unknown one.
    """
    declared = build_declared(config, task)
    watch = SensorWatch(declared.silent_s, declared.window_s, troubles)
    if not connected:
        return Sensing(declared, {}, None, watch)
    transports: dict[str, Transport] = {}
    mqtt = None
    if config["broker"]:
        home = Path(config["home"])
        mqtt = MqttTransport(
            build(config["broker"], at="broker"), random.Random(), troubles, home=home
        )
        transports[MQTT] = mqtt
    for name, node in config["transports"].items():
        if name == MQTT:
            rule, remedy = "is the broker's transport", "Set broker, and name this one otherwise"
            raise InvalidConfiguration(f"transports.{name}", rule, remedy)
        transports[name] = build(node, TRANSPORT, at=f"transports.{name}")
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
    return Sensing(declared, inlets, mqtt, watch)


def _check(name: str, sources: list[MessageSource], transports: Mapping[str, Transport]) -> None:
    """Refuse a transport that is not configured, and addresses that it can't have."""
    first = name_of(sources[0])
    if name not in transports:
        known = ", ".join(transports) or "none"
        remedy = (
            f"Name one of those that are configured ({known}), or configure it: broker is that of"
            f" {MQTT}, transports=http that of http"
        )
        raise InvalidConfiguration(f"transport {name} of {first}", "is not configured", remedy)
    for source in sources:
        transports[name].check(name_of(source), source.topic)
