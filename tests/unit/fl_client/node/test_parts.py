"""Parts of a node that need no broker: its supervised child, its HTTP port."""

import asyncio
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fl_client.node import training_process
from fl_client.node.http import StatusServer
from fl_client.node.metrics import Metrics
from fl_client.node.status import read_status, write_record
from fl_client.node.training_process import Training, supervise
from fl_common.errors import InvalidConfiguration
from fl_common.programs.troubles import Troubles
from tests.support.nodes import wait_for
from tests.support.posts import anybody


def test_the_child_is_started_again_later_each_time_and_ends_with_the_node(tmp_path: Path) -> None:
    """It writes its group's identity down; the last life only ends when it is made to."""
    lives = tmp_path / "lives"
    script = f"echo $$ >> {lives}; [ $(wc -l < {lives}) -ge 3 ] && sleep 1000; exit 3"
    training = Training(["sh", "-c", script], nice=0, restart_s=0.01, longest_restart_s=0.02)
    heard: list[bool] = []
    troubles = Troubles()

    async def run() -> None:
        task = asyncio.create_task(supervise(training, heard.append, troubles))
        while heard.count(True) < 3 or len(lives.read_text().split()) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert heard == [True, False] * 3
    assert [trouble.part for trouble in troubles.current()] == ["training"]
    group = int(lives.read_text().split()[-1])
    wait_for(lambda: not alive(group), "the end of the child's children")


def test_a_child_that_lived_long_is_started_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    lives, waits, now = [1.0, 1.0, 1.0, 1000.0, 1.0], list[float](), [0.0]

    async def live(*_: object) -> int:
        if not lives:
            raise asyncio.CancelledError
        now[0] += lives.pop(0)
        return 1

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(training_process, "_run", live)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    training = Training(["true"], nice=0, restart_s=5.0, longest_restart_s=300.0)

    async def run() -> None:
        asyncio.get_running_loop().time = lambda: now[0]  # type: ignore[method-assign]
        with suppress(asyncio.CancelledError):
            await supervise(training, lambda running: None, Troubles())

    asyncio.run(run())
    assert waits == [5.0, 10.0, 20.0, 5.0, 10.0]


def alive(group: int) -> list[int]:
    """Processes of a group that still run."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def test_a_program_that_is_not_there_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    training = Training(["no-such-program"], nice=0, restart_s=0.01, longest_restart_s=0.02)

    async def run() -> None:
        task = asyncio.create_task(supervise(training, lambda running: None, Troubles()))
        while not caplog.messages:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert "run 'no-such-program' by hand" in caplog.messages[0]


def test_a_port_that_is_taken_is_refused() -> None:
    metrics = Metrics()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InvalidConfiguration, match=r"http\.port"):
            StatusServer("127.0.0.1", taken.getsockname()[1], anybody(), metrics.text, list, dict)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_a_status_is_read_on_any_address_and_past_every_proxy(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # discards whatever comes
    monkeypatch.delenv("no_proxy", raising=False)
    status = {"pid": os.getpid(), "well": True}
    server = StatusServer(host, 0, anybody(), Metrics().text, list, lambda: status)
    try:
        access = dict.fromkeys(("token_file", "token_variable", "certificate_file", "key_file"))
        write_record(tmp_path, host, server.port, access, None)
        assert read_status(tmp_path)["well"]
    finally:
        server.close()


def test_only_the_model_that_serves_is_in_the_metrics() -> None:
    metrics = Metrics()
    for digest in ("a", "b", "b"):
        metrics.set_model(digest)
    assert metrics.value("model_info", {"digest": "b"}) == 1
    assert b'digest="a"' not in metrics.text()
