"""The table of kinds agrees with the protocols, and what does not follow one is refused."""

import inspect
from importlib import import_module
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from fl_common.plugins.kinds import (
    AGGREGATOR,
    DECODER,
    FUNCTION,
    GATE,
    KINDS,
    OPTIMISER,
    TRANSPORT,
    WORLD,
    ExtensionKind,
    check_extension,
)
from tests.conf.test_compose import CONF


class Wrong:
    """Has what some protocols ask for, with other arguments."""

    task = "toy"

    def start(self) -> None: ...
    def decode(self, payload: bytes) -> None: ...
    def windows(self, index: int) -> None: ...
    def test(self) -> None: ...


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_protocol_of_a_kind_exists_and_its_group_too(kind: ExtensionKind) -> None:
    module, _, name = kind.protocol.rpartition(".")
    assert hasattr(import_module(module), name)
    assert kind.group is None or (CONF / kind.group).is_dir()


@pytest.mark.parametrize(
    "kind", [DECODER, TRANSPORT, AGGREGATOR, OPTIMISER, WORLD, FUNCTION], ids=lambda kind: kind.name
)
def test_the_table_says_what_the_protocol_says(kind: ExtensionKind) -> None:
    module, _, name = kind.protocol.rpartition(".")
    protocol: Any = getattr(import_module(module), name)
    members = {
        key: value
        for key, value in vars(protocol).items()
        if not key.startswith("_") or key == "__call__"
    }
    methods = {
        key: tuple(inspect.signature(value).parameters)[1:]
        for key, value in members.items()
        if inspect.isfunction(value)
    }
    assert methods == dict(kind.methods)
    assert set(members) - set(methods) == set(kind.attributes)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (AGGREGATOR, "has a method start that can't be called as start(parameters)"),
        (DECODER, "has a method decode that can't be called as decode(payload, fields, received"),
        (WORLD, "has no attribute sites"),
        (OPTIMISER, "has no method initial(parameters)"),
        (FUNCTION, "has no method __call__(predicted)"),
    ],
    ids=lambda value: value.name if isinstance(value, ExtensionKind) else "",
)
def test_what_does_not_follow_its_protocol_is_refused(kind: ExtensionKind, says: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        check_extension(kind, Wrong())
    said = str(caught.value)
    assert f"{kind.name} {__name__}.Wrong: {says}" in said
    assert kind.protocol in said


def test_a_function_is_a_gate_and_one_written_in_c_is_believed() -> None:
    check_extension(GATE, lambda case: None)
    check_extension(GATE, max)
    with pytest.raises(InvalidConfiguration, match="can't be called as __call__"):
        check_extension(GATE, lambda: None)


def test_a_node_of_another_kind_is_refused() -> None:
    node = {"_target_": "fl_server.aggregation.mean.WeightedMean"}
    assert build(node, AGGREGATOR)
    with pytest.raises(InvalidConfiguration, match="optimiser fl_server"):
        build(node, OPTIMISER)
