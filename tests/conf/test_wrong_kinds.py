"""A value of the wrong kind at any key of a box's or a server's configuration ends in one line."""

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from fl_client.configuration import check, read_config
from fl_client.node.assembly.node import build_node
from fl_client.sensors.transports.http.access import ServingAccess, StatusAccess
from fl_common.errors import JoinTheDotsError
from fl_server.cloud import build as server
from fl_server.cloud.planning import build_run
from fl_server.cloud.serving import server_settings
from models.nets import build_net
from simulate.engines.live.play import check as check_player

WRONG = ["nonsense", {"a": 1}, [1, 2], None, 1.5]
OF_FUNCTIONS = ("functions", "function_host", "task")
PYTHONS = ("DictConfig", "ListConfig", "NoneType", "omegaconf", "object", "argument", "operand",
           "attribute", "subscript", "isinstance", "iterable", "expected str")  # fmt: skip


def places(node: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The places of all sections and values."""
    for name, value in node.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, (*above, name))


@cache
def shipped_box() -> dict[str, Any]:
    """A box with everything that is shipped: a federation, a transport, an inference service."""
    return dict(read_config(None, ["transports=http", "functions=alarm"]))


def start_box(values: dict[str, Any], home: Path) -> None:
    """Do what a start does with a configuration, up to the point at which it listens."""
    check(values, shipped_box())
    if all(values[part] == shipped_box()[part] for part in OF_FUNCTIONS):
        values = values | {"functions": {}}  # whose process takes most of a start
    node = build_node(values | {"home": str(home)}, connected=True)
    ServingAccess.of(values["serving"]["access"])
    StatusAccess.of(values["http"]["access"])
    assert node


@cache
def shipped_server() -> dict[str, Any]:
    """A server as it is shipped, with the one value that nobody else can know.

    Its noise is given, since to calibrate it some hundred times would be slow.
    """
    overrides = ["privacy.site_windows=1000", "privacy.noise_multiplier=1.0"]
    return dict(server.read_config(None, overrides))


def start_server(values: dict[str, Any], home: Path) -> None:
    """The same of a server and of its run; all in one folder, to make certificates once."""
    server.check(values, shipped_server())
    if values["home"] == shipped_server()["home"]:
        values = values | {"home": str(home.parent / "server")}
    server_settings(values, server.home_of(values))
    plan = build_run(values).plan
    build_net(plan.net, plan.task)


@pytest.fixture
def silence() -> Iterator[None]:
    """No log of some thousand refused starts, which pytest would keep."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def wrong_in(
    shipped: dict[str, Any], start: Callable[[dict[str, Any], Path], None], folder: Path
) -> list[str]:
    """Each wrong value at each key that does not end in one line for people."""
    wrong: list[str] = []
    start(shipped, folder / "right")
    for number, place in enumerate(places(shipped)):
        for value in WRONG:
            values = copy.deepcopy(shipped)
            owner = values
            for name in place[:-1]:
                owner = owner[name]
            owner[place[-1]] = value
            about = f"{'.'.join(place)}={value!r}"
            try:
                start(values, folder / str(number))
            except JoinTheDotsError as error:
                said = str(error)
                if not said or "\n" in said or any(word in said for word in PYTHONS):
                    wrong.append(f"{about}: {said}")
            except Exception as error:
                wrong.append(f"{about}: {type(error).__name__} {error}")
    return wrong


def test_every_key_of_a_player(tmp_path: Path) -> None:
    with initialize_config_module("conf", version_base="1.3"):
        played, simulated = (composed(name) for name in ("play", "config"))
    own = {name: value for name, value in played.items() if name not in simulated}
    assert {"boxes", "broker", "kept"} <= own.keys()
    wrong = wrong_in(own, lambda values, _: check_player(values), tmp_path)
    assert not wrong, "\n".join(wrong)


def composed(name: str) -> dict[str, Any]:
    """A configuration as it is shipped, without what refers to other places."""
    values = OmegaConf.to_container(compose(name), resolve=False)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize(
    ("shipped", "start"),
    [(shipped_box, start_box), (shipped_server, start_server)],
    ids=["box", "server"],
)
def test_every_key(
    shipped: Callable[[], dict[str, Any]],
    start: Callable[[dict[str, Any], Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = wrong_in(shipped(), start, tmp_path)
    assert not wrong, "\n".join(wrong)
