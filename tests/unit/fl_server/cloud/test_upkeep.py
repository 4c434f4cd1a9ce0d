"""What a running server notices: a changed configuration, children that fail, a run that stops."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.programs.troubles import Troubles
from fl_server.cloud.children import Child, RestartPolicy
from fl_server.cloud.home import CloudHome
from fl_server.cloud.upkeep import ConfigurationFile, Upkeep
from tests.deployed.fleet import until

BUDGET = "error: run first-1, round 3: 0 of 2 sites sent an update. First reason: kitchen: budget"


def touched(path: Path) -> None:
    """Change the file's time, whatever the clock's grain."""
    now = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(now, now))


def test_a_changed_file_is_read_again_once_and_gives_hosts_alone(tmp_path: Path) -> None:
    path, reads = tmp_path / "cloud.yaml", list[Config]()
    path.touch()

    def read() -> Config:
        reads.append({"hosts": ["a", "b"], "listen": "nowhere"})
        return reads[-1]

    file = ConfigurationFile(path, read, {"hosts": ["a"], "listen": "8443"})
    assert file.again() == {"hosts": ["a"], "listen": "8443"}
    assert reads == []
    touched(path)
    assert file.again() == file.again() == {"hosts": ["a", "b"], "listen": "8443"}
    assert len(reads) == 1


def test_a_file_that_can_t_be_used_changes_nothing_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cloud.yaml"
    path.touch()

    def read() -> Config:
        raise InvalidConfiguration("hosts=[]", "must name the server", "Name it")

    file = ConfigurationFile(path, read, {"hosts": ["a"]})
    touched(path)
    assert file.again() == file.again() == {"hosts": ["a"]}
    path.unlink()
    assert file.again() == {"hosts": ["a"]}
    assert caplog.text.count("must name the server") == 2, "once for each change"


@pytest.fixture
def home(tmp_path: Path) -> CloudHome:
    return CloudHome(tmp_path)


def upkeep(home: CloudHome, child: Child) -> Upkeep:
    """It watches ``child`` alone."""
    unused: Any = None
    return Upkeep(home, unused, unused, unused, unused, unused, [child], Troubles())


def failing(home: CloudHome, script: str, *, once: bool) -> Child:
    command = [sys.executable, "-c", script]
    policy = RestartPolicy(0.05, 1000.0)
    return Child("runner", lambda: command, home.logs / "runner.log", policy, once)


def test_a_run_that_fails_again_and_again_is_told_with_its_reason(home: CloudHome) -> None:
    child = failing(home, f"import sys; sys.exit({BUDGET!r})", once=True)
    watching = upkeep(home, child)
    child.start()
    try:
        until(lambda: child.starts >= 2, "it is started again", 120)
        watching.watch("first")
        (trouble,) = watching.troubles.current()
        assert BUDGET in str(trouble)
        assert str(child.log) in str(trouble)
    finally:
        child.stop()
    record = home.runs / "first" / "round.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    os.utime(record, (time.time() + 5, time.time() + 5))
    watching.watch("first")
    assert watching.troubles.current() == (), "a round was recorded since"


def test_a_child_that_is_done_is_no_trouble(home: CloudHome) -> None:
    child = failing(home, "", once=True)
    watching = upkeep(home, child)
    child.start()
    until(lambda: child.done, "it ends", 120)
    watching.watch("first")
    assert watching.troubles.current() == ()
    child.stop()
