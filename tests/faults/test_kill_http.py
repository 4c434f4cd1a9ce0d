"""A node killed with -9 while it answers posts: what was answered with 204 is on the disk."""

import functools
import multiprocessing
import os
import random
import signal
import threading
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from fl_client.store.database import open_store
from tests.support.edge import NOW, payload
from tests.support.edge_process import sense_http
from tests.support.nodes import wait_for
from tests.support.ports import free_port
from tests.support.posts import TOPIC

KILLS, SENDERS = 12, 4


class Sender(threading.Thread):
    """Posts readings of its own one after the other until ``ended``; ``acknowledged``: the 204s."""

    def __init__(self, port: int, first: int, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self._port, self._numbers, self._ended = port, range(first, first + 10**6), ended
        self.acknowledged: list[int] = []

    def run(self) -> None:
        http = HTTPConnection("127.0.0.1", self._port, timeout=60)
        for number in self._numbers:
            while not self._ended.is_set():
                try:
                    http.request("POST", f"/{TOPIC}", payload(number))
                    answer = http.getresponse()
                    answer.read()
                except (OSError, HTTPException):
                    http.close()  # the node is away: the same again
                    continue
                assert answer.status == 204
                self.acknowledged.append(number)
                break


def kept(folder: Path) -> set[str]:
    """Topics and time stamps of what is in the spool."""
    with closing(open_store(folder / "site.sqlite")) as connection:
        found = [identity for (identity,) in connection.execute("SELECT id FROM spool")]
    there = {identity.rpartition(" ")[0] for identity in found}  # without the content's digest
    assert len(there) == len(found)
    return there


@pytest.mark.slow
def test_what_was_answered_is_there_after_any_kill(tmp_path: Path) -> None:
    chance, port, ended = random.Random(11), free_port(), threading.Event()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.support.edge_process"])
    senders = [Sender(port, number * 10**6, ended) for number in range(SENDERS)]

    def count() -> int:
        return sum(len(sender.acknowledged) for sender in senders)

    def reached(wanted: int) -> bool:
        return count() >= wanted

    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        process = processes.Process(target=sense_http, args=(tmp_path, port))
        process.start()
        assert process.pid is not None
        wanted = count() + chance.randrange(1, 60)
        wait_for(functools.partial(reached, wanted), "answers")
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        there = kept(tmp_path)
        lost = [number for sender in senders for number in list(sender.acknowledged)
                if f"{TOPIC} {NOW + number}" not in there]  # fmt: skip
        assert lost == []
    ended.set()
    for sender in senders:
        sender.join()
    rows = kept(tmp_path)
    assert len(rows) <= count() + SENDERS
