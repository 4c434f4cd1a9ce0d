"""Functions that try to read, send, kill or flood: the wall and the host around them."""

import ctypes
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fl_client.functions.host import FunctionSource, HostLimits
from fl_client.functions.host.process import HostProcess
from fl_client.functions.runner import Functions
from fl_client.functions.shown import Shown
from fl_common.functions import Predicted
from fl_common.programs.troubles import Troubles
from tests.support.function_hosts import process_of
from tests.support.hostile_functions import DEEDS, HARMLESS

WINDOWS = 2
_LANDLOCK = 444
HAS_LANDLOCK = ctypes.CDLL(None).syscall(_LANDLOCK, None, 0, 1) > 0
"""Whether this machine's kernel can shut files away; see ``wall``."""
OF_FILES = {
    "read a file", "list a folder of others", "write", "remove",
    "read the parent's memory", "read the parent's environment",
}  # fmt: skip
BY_THE_WALL = {
    "make a ring": "Errno 1]",
    "clone anew": "Errno 38]",
    "talk locally": "Errno 1]",
    "connect": "Errno 1]",
    "read the parent's memory": "Errno 13]",
}
"""What would fail without a wall, too, but otherwise: what the wall says."""
GOOD = FunctionSource({"class": "tests.support.hostile_functions.Good", "arguments": {}})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BROKER_PASSWORD", "a secret")
    (tmp_path / "private").write_text("of a person")
    (tmp_path / "private").chmod(0o600)
    return tmp_path


@pytest.fixture
def host(home: Path) -> Iterator[HostProcess]:
    host = HostProcess(home, HostLimits(seconds=3.0, megabytes=256), Troubles())
    yield host
    host.close()


def window(number: int) -> Predicted:
    return Predicted(number, number + 1, ("rest", "walk"), (0.9, 0.1))


def beside_a_good_one(host: HostProcess, home: Path, what: str) -> list[Shown]:
    """What became of windows that a hostile function sees, and a good one after it."""
    class_name = "tests.support.hostile_functions.Hostile"
    arguments = {"what": what, "path": str(home)}
    hostile = FunctionSource({"class": class_name, "arguments": arguments})
    functions = Functions({"hostile": hostile, "good": GOOD}, host, failures_allowed=10)
    return [functions(window(number)) for number in range(WINDOWS)]


def counted(shown: list[Shown]) -> list[int]:
    """What the good function said."""
    found = [event for one in shown for name, event in one.found if name == "good"]
    return [event.data["number"] for event in found]


@pytest.mark.parametrize("what", [what for what in DEEDS if what not in {*HARMLESS, "look around"}])
def test_it_fails_by_name_and_a_good_one_beside_it_loses_nothing(
    host: HostProcess, home: Path, what: str
) -> None:
    if what in OF_FILES and not HAS_LANDLOCK:
        pytest.skip("this kernel has no Landlock, as the node's log would say")
    before = (home / "private").stat()
    shown = beside_a_good_one(host, home, what)
    assert [[failed.name for failed in one.failed] for one in shown] == [["hostile"]] * WINDOWS
    reasons = [one.failed[0].reason for one in shown]
    assert all(reason and reason.isprintable() for reason in reasons), "stored and logged as it is"
    assert all(BY_THE_WALL.get(what, "") in reason for reason in reasons)
    assert "of a person" not in str(shown)
    assert counted(shown) == [1, 2]
    after = (home / "private").stat()
    assert (before.st_mode, before.st_mtime_ns) == (after.st_mode, after.st_mtime_ns)
    assert [path.name for path in home.iterdir()] == ["private"]


def test_what_it_prints_and_logs_stops_nothing(
    host: HostProcess, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = beside_a_good_one(host, home, "print much")
    assert counted(shown) == [1, 2]
    assert max(map(len, caplog.messages)) < 1000
    assert len(caplog.messages) <= 20 * WINDOWS


def test_no_secret_is_in_its_environment(host: HostProcess, home: Path) -> None:
    assert "a secret" in os.environ.values()
    shown = beside_a_good_one(host, home, "look around")
    assert "PATH" in shown[0].found[0][1].data
    assert "a secret" not in str(shown)


def test_its_process_has_one_connection_and_ends_with_the_host(
    host: HostProcess, home: Path
) -> None:
    beside_a_good_one(host, home, "look around")
    child = process_of(host)
    sockets = [str(fd.readlink()) for fd in Path(f"/proc/{child.pid}/fd").iterdir()]
    assert sum(name.startswith("socket:") for name in sockets) == 1
    assert child.net_connections("inet") == []
    assert child.nice() > psutil.Process().nice()
    kept = int(re.findall(r"CapEff:\t(\w+)", Path(f"/proc/{child.pid}/status").read_text())[0], 16)
    assert kept & ~(1 << 2) == 0, "no capability but that to read what others own"
    host.close()
    assert not psutil.pid_exists(child.pid)


def test_its_network_is_gone_although_this_process_has_one(host: HostProcess, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), 1).close()
    (failed,) = beside_a_good_one(host, home, "connect")[0].failed
    assert "PermissionError" in failed.reason
