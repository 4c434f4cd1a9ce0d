"""A value of the wrong kind at any key of a box's configuration ends in one line for people."""

import copy
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fl_client.configuration import check, read_config
from fl_client.node.assembly.node import build_node
from fl_client.sensors.transports.http.access import ServingAccess, StatusAccess
from fl_common.errors import JoinTheDotsError

WRONG = ["nonsense", {"a": 1}, [1, 2], None, 1.5]
PYTHONS = ("DictConfig", "ListConfig", "NoneType", "omegaconf", "object", "argument", "operand",
           "attribute", "subscript", "isinstance", "iterable", "expected str")  # fmt: skip


def places(node: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The places of all sections and values."""
    for name, value in node.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, (*above, name))


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """A box with everything that is shipped: a federation, a transport, an inference service."""
    return dict(read_config(None, ["transports=http", "functions=alarm"]))


def start(values: dict[str, Any], shipped: dict[str, Any], home: Path) -> None:
    """Do what a start does with a configuration, up to the point at which it listens."""
    check(values, shipped)
    node = build_node(values | {"home": str(home)}, connected=True)
    ServingAccess.of(values["serving"]["access"])
    StatusAccess.of(values["http"]["access"])
    assert node


@pytest.fixture
def silence() -> Iterator[None]:
    """No log of some thousand refused starts, which pytest would keep."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.long
@pytest.mark.usefixtures("silence")
def test_every_key(shipped: dict[str, Any], tmp_path: Path) -> None:
    wrong: list[str] = []
    for number, place in enumerate(places(shipped)):
        for value in WRONG:
            values = copy.deepcopy(shipped)
            owner = values
            for name in place[:-1]:
                owner = owner[name]
            owner[place[-1]] = value
            about = f"{'.'.join(place)}={value!r}"
            try:
                start(values, shipped, tmp_path / str(number))
            except JoinTheDotsError as error:
                said = str(error)
                if not said or "\n" in said or any(word in said for word in PYTHONS):
                    wrong.append(f"{about}: {said}")
            except Exception as error:
                wrong.append(f"{about}: {type(error).__name__} {error}")
    assert not wrong, "\n".join(wrong)
