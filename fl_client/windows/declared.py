"""The sensors of a configuration as sources of windows, without what reads their messages."""

from collections.abc import Mapping
from typing import Any

from fl_client.windows import Slicing, Source, sliced_for
from fl_client.windows.split import split_of
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from fl_common.vocabulary import Task

OF_A_SENSOR = ("rate_hz", "longest_gap_s")
"""Keys of a sensor that are about windows, and not about its messages."""
OF_A_CHANNEL = ("hold", "longest_age_s")
"""Such keys of a channel."""
_LAST = "last"


def sources_of(config: Config) -> list[Source]:
    """The sources that the sensors of a box's whole configuration are, each with its longest gap.

    Raises:
        InvalidConfiguration: a value that can't be used.
    """
    default_s = build(config["windows"], at="windows").longest_gap_s
    return [_source(name, node, default_s) for name, node in config["sensors"].items()]


def slicing_of(config: Config, task: Task) -> Slicing:
    """How the windows of a box's whole configuration are cut from readings of ``task``.

    Raises:
        InvalidConfiguration: a value that can't be used, or on a box that takes part in a
            federation, held-out pieces too short for what a window reaches over.
    """
    slicing = sliced_for(build(config["windows"], at="windows"), sources_of(config))
    if config["federation"]["server"]:
        split_of(task, slicing, build(config["held_out"], at="held_out"))
    return slicing


def _source(name: str, node: Config, default_s: float) -> Source:
    channels, own_s = node["channels"], node.get("longest_gap_s")
    return Source(
        name,
        tuple(channel["name"] for channel in channels),
        node.get("rate_hz"),
        default_s if own_s is None else own_s,
        tuple(
            _age_s(f"channel {channel['name']} of sensor {name}", channel) for channel in channels
        ),
    )


def _age_s(owner: str, channel: Mapping[str, Any]) -> float | None:
    """How long the channel's last value holds; None: it is interpolated."""
    hold, age_s = channel.get("hold"), channel.get("longest_age_s")
    if hold not in (None, _LAST):
        rule = f"must be {_LAST}, or null to interpolate between readings"
        raise InvalidConfiguration(f"hold={hold} of {owner}", rule, "Give one of these")
    if (hold is None) != (age_s is None):
        raise InvalidConfiguration(
            f"hold={hold} and longest_age_s={age_s} of {owner}",
            "go together: a value that holds must end somewhere",
            f"Give both, such as hold: {_LAST} and longest_age_s: 3600, or neither",
        )
    return age_s
