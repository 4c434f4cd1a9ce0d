"""A worker that is stuck: health says so and where, and systemd hears no more of the box."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mosquitto import Mosquitto
from tests.support.nodes import NodeProcess, World, node, place_model, wait_for


class Manager:
    """A service manager's socket, and what it was told."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(60)

    def hears(self, line: str) -> None:
        """Wait for this line."""
        while self.socket.recv(4096).decode() != line:
            pass

    def rest(self) -> list[str]:
        """What was sent and not yet heard."""
        self.socket.settimeout(0)
        found = []
        try:
            while True:
                found.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker from before the environment names a manager: it would tell it, too."""
    with Mosquitto(tmp_path / "broker") as mosquitto:
        yield mosquitto


@pytest.fixture
def manager(
    tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    yield manager
    manager.socket.close()


def stuck(process: NodeProcess) -> dict[str, str] | None:
    """The trouble of the worker, if health is red for it."""
    code, body = process.ask("/healthz")
    troubles = {trouble["part"]: trouble for trouble in json.loads(body)["wrong"]}
    return troubles.get("worker") if code == 503 else None


def test_a_worker_that_hangs_is_told_and_starves_systemd_s_watchdog(
    tmp_path: Path, broker: Mosquitto, manager: Manager
) -> None:
    home = tmp_path / "stuck"
    place_model(home)
    hang = "sensors.watch.decoder._target_=tests.support.hanging.HangingDecoder"
    with (
        node(home, broker.port, "stuck_s=1", hang) as process,
        World(broker.port, "stuck") as world,
    ):
        process.wait()
        for line in ("READY=1", "WATCHDOG=1", "STATUS=ok"):
            manager.hears(line)
        world.send(0, 20)
        trouble = wait_for(lambda: stuck(process), "the worker's trouble")
        assert "hanging.py:17" in trouble["cause"]
        manager.hears("STATUS=wrong: worker")
        wait_for(lambda: process.status()["wrong"], "a status in spite of it")
        assert manager.rest() == []
        assert process.stop() == 1
        assert "did not stop within 1 s" in process.log()


def test_a_box_tells_that_it_stops(tmp_path: Path, broker: Mosquitto, manager: Manager) -> None:
    home = tmp_path / "stopping"
    place_model(home)
    with node(home, broker.port) as process:
        manager.hears("READY=1")
        assert process.stop() == 0
        assert "STOPPING=1" in manager.rest()
