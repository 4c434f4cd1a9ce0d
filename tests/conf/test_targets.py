"""A buildable node is ``_target_`` and exactly the keyword arguments of that constructor."""

import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from fl_server.cloud.build import read_config
from tests.conf.test_compose import CONF, OPTIONS, composed

SUPPLIED = {
    "models.nets.": {"task"},
    "models.nets.choice.": {"private", "scaled"},
    "fl_client.sensors.sensor.Sensor": {"name", "task"},
    "fl_client.windows.Slicing": {"held"},
}
"""Arguments that the code passes, by where the class stands: they are not configuration."""

OF_THE_NODE = {
    "fl_client.sensors.sensor.Sensor": {"rate_hz", "transport"},
    "fl_client.sensors.intake.AnnotationTopic": {"transport"},
}
"""What a node says beside its constructor's arguments."""

Node = dict[str, Any]


def nodes(value: object) -> Iterator[Node]:
    """Every node with a ``_target_``, nested ones included."""
    if isinstance(value, dict):
        if "_target_" in value:
            yield value
        for child in value.values():
            yield from nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from nodes(child)


@cache
def buildable(option: str) -> tuple[Node, ...]:
    return tuple(nodes(OmegaConf.to_container(composed(option), resolve=True)))


def arguments(target: str) -> set[str]:
    """Names that a node for ``target`` must give."""
    supplied = {n for place, some in SUPPLIED.items() if target.startswith(place) for n in some}
    parameters = inspect.signature(get_object(target)).parameters.values()
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters), f"{target} takes any name"
    return {p.name for p in parameters} - supplied


@pytest.mark.parametrize("option", OPTIONS)
def test_a_node_gives_exactly_what_its_constructor_takes(option: str) -> None:
    given = {
        target: set(node) - {"_target_"} - OF_THE_NODE.get(target, set())
        for node in buildable(option)
        for target in [node["_target_"]]
    }
    assert given == {target: arguments(target) for target in given}


def test_every_target_that_is_written_is_reached() -> None:
    written = {
        target
        for path in CONF.rglob("*.yaml")
        for target in re.findall(r"^\s*_target_:\s*(\S+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert written
    reached = {node["_target_"] for option in OPTIONS for node in buildable(option)}
    reached |= {node["_target_"] for node in nodes(read_config(None, []))}
    assert written == reached


def test_the_server_s_nodes_give_exactly_what_their_constructors_take() -> None:
    given = {n["_target_"]: set(n) - {"_target_"} for n in nodes(read_config(None, []))}
    assert given == {target: arguments(target) for target in given}
