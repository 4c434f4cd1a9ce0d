"""The unit of ``docs/how-to/edge-node.md`` under a real systemd: ready, killed, stuck, stopped."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mosquitto import Mosquitto
from tests.support.nodes import place_model, wait_for
from tests.support.shell import blocks, replaced
from tests.support.sources import ROOT

pytestmark = pytest.mark.long
_SYSTEMD = "/usr/lib/systemd/systemd"
_START = 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec "$0" --user'
_UNIT = "kitchen.service"
_PAGE = "docs/how-to/edge-node.md"
_PROGRAM = "/srv/join-the-dots/.venv/bin/fl-client"


class Systemd:
    """A user's systemd in a mount namespace of its own, so that the machine's is not asked."""

    def __init__(self, folder: Path) -> None:
        if not (Path(_SYSTEMD).is_file() and shutil.which("unshare") and os.geteuid() == 0):
            pytest.skip("needs root and the Debian package systemd")
        folder.mkdir(mode=0o700)
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)}
        self.units = folder / ".config" / "systemd" / "user"
        self.units.mkdir(parents=True)
        command = ["unshare", "--mount", "sh", "-c", _START, _SYSTEMD]
        self._process = subprocess.Popen(command, env=self._environment, start_new_session=True)
        socket = folder / "systemd" / "private"
        wait_for(lambda: socket.exists() or self._process.poll() is not None, "systemd")
        if not socket.exists():
            pytest.skip("this machine lets no systemd start")

    def run(self, *words: str) -> str:
        """What ``systemctl`` prints."""
        command = ["systemctl", "--user", *words]
        found = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        assert found.returncode == 0, f"{command}: {found.stdout}{found.stderr}"
        return found.stdout.strip()

    def shows(self, name: str) -> str:
        """A property of the unit."""
        return self.run("show", "--value", f"--property={name}", _UNIT)

    def close(self) -> None:
        """End it, with its services."""
        self._process.terminate()
        self._process.wait(60)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """The page's unit: the place of the program and of its files differ, and its times."""
    manager = Systemd(tmp_path / "runtime")
    (unit,) = blocks(_PAGE, "ini")
    home = tmp_path / "kitchen"
    home.mkdir(mode=0o700)
    place_model(home / "kitchen-data")
    try:
        with Mosquitto(tmp_path / "broker") as broker:
            (home / "kitchen.yaml").write_text(
                "defaults: [node, _self_]\nname: kitchen\nhome: kitchen-data\n"
                f"broker: {{host: 127.0.0.1, port: {broker.port}}}\nhttp: {{port: 0}}\n"
            )
            unit = replaced(
                unit,
                ("User=kitchen\n", ""),  # a user's systemd has one user
                ("/var/lib/kitchen", str(home)),
                (_PROGRAM, f"{sys.executable} -m fl_client"),
                ("/etc/kitchen.yaml", f"{home}/kitchen.yaml"),
                ("WatchdogSec=60", f"WatchdogSec=5\nEnvironment=PYTHONPATH={ROOT}"),
            )
            (manager.units / _UNIT).write_text(unit)
            yield manager
    finally:
        manager.close()


def test_systemd_takes_the_unit_as_it_stands(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs the Debian package systemd")
    (unit,) = blocks(_PAGE, "ini")
    path = tmp_path / _UNIT
    path.write_text(replaced(unit, (_PROGRAM, sys.executable)))
    found = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_box_is_started_again_by_systemd_when_it_was_killed_or_is_stuck(
    systemd: Systemd,
) -> None:
    systemd.run("start", _UNIT)  # it returns once the box has said that it is ready
    assert systemd.shows("ActiveState") == "active"
    for signal_number, times in ((signal.SIGKILL, 1), (signal.SIGSTOP, 2)):
        before = systemd.shows("MainPID")
        os.kill(int(before), signal_number)
        wait_for(lambda: systemd.shows("NRestarts") == str(times), f"restart {times}")  # noqa: B023
        wait_for(lambda: systemd.shows("ActiveState") == "active", "a box that is ready")
        assert systemd.shows("MainPID") != before
    wait_for(lambda: systemd.shows("StatusText"), "how the box is")
    systemd.run("stop", _UNIT)
    assert (systemd.shows("ActiveState"), systemd.shows("Result")) == ("inactive", "success")
