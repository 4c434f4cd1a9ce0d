"""Each address of a configuration, given nonsense, ends in one line: value, rule, remedy."""

from pathlib import Path
from typing import Any

import pytest

from fl_client.configuration import read_config
from fl_client.federation.connection import Address
from fl_client.inference.server import InferenceServer
from fl_client.node.assembly.node import build_node
from fl_client.node.http import StatusServer
from fl_client.sensors.transports.http.access import ServingAccess, StatusAccess
from fl_common.errors import InvalidConfiguration
from fl_server.cloud.build import hosts_of, listen_of
from fl_server.cloud.build import read_config as server_config
from simulate.engines.ray_cluster import check_address

pytestmark = pytest.mark.slow
NONSENSE = ["nonsense:abc", ":", "[::1", "mqtt://broker"]


def node(name: str, value: str, home: Path) -> None:
    """A box with this value."""
    chosen = ["transports=http"] if name.startswith("transports") else []
    config = read_config(None, [*chosen, f"{name}='{value}'", f"home={home}"])
    box = build_node(config, connected=True)
    if name == "http.host":
        place, port = StatusAccess(**config["http"]["access"]), config["http"]["port"]
        StatusServer(config["http"]["host"], port, place, bytes, list, dict)
    if name == "serving.address":
        settings: dict[str, Any] = dict(config["serving"])
        access = ServingAccess(**settings.pop("access"))
        InferenceServer({}, access, **settings)
    if name == "federation.server":
        Address(str(config["federation"]["server"]), home, home, 30.0)
    assert box


def server(name: str, value: str, home: Path) -> None:
    """A server with this value."""
    given = f"hosts=['{value}']" if name == "hosts" else f"{name}='{value}'"
    config = server_config(None, [given, f"home={home}"])
    hosts_of(config)
    listen_of(config)


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize(
    "name",
    ["broker.host", "http.host", "transports.http.host", "serving.address", "federation.server"],
)
def test_of_a_box(name: str, value: str, tmp_path: Path) -> None:
    refused(node, name, value, tmp_path)


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("name", ["hosts", "listen"])
def test_of_a_server(name: str, value: str, tmp_path: Path) -> None:
    refused(server, name, value, tmp_path)


@pytest.mark.parametrize("value", NONSENSE)
def test_of_a_ray_cluster(value: str, tmp_path: Path) -> None:
    refused(lambda name, value, _: check_address(value), "engine.address", value, tmp_path)


def refused(start: Any, name: str, value: str, home: Path) -> None:
    with pytest.raises(InvalidConfiguration) as error:
        start(name, value, home)
    told = str(error.value)
    assert told.startswith(f"{name}={value}: "), told
    assert error.value.remedy
    assert "\n" not in told
