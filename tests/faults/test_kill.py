"""A node killed with -9 at any instant: nothing is lost, nothing counts twice."""

import asyncio
import multiprocessing
import os
import random
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from fl_client.store.database import open_store
from tests.support.edge import PATIENCE, Publisher, balanced, broker_of, payload, publish
from tests.support.edge_process import Working, sense
from tests.support.mosquitto import Mosquitto

KILLS, EACH, MALFORMED = 50, 60, 3


def messages(life: int) -> list[tuple[str, bytes]]:
    """Readings for one life of the node, and some that are malformed, all alike."""
    found = [("site/1/wrist", payload(life * EACH + number)) for number in range(EACH)]
    for position in range(MALFORMED):
        found.insert(position * EACH // MALFORMED, ("site/1/wrist", b"{broken"))
    return found


def received(folder: Path) -> int:
    """Checks the invariant from the outside, and that the counts are those of the rows."""
    with closing(open_store(folder / "site.sqlite")) as connection:
        connection.execute("BEGIN")
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'spool'").fetchone():
            return 0
        values = dict(connection.execute("SELECT name, value FROM spool_count"))
        rows, content = connection.execute(
            "SELECT count(*), coalesce(sum(length(content) + 64), 0) FROM spool"
        ).fetchone()
    lost = sum(value for name, value in values.items() if name.startswith("lost:"))
    assert values.get("waiting", 0) == rows
    assert values.get("waiting_bytes", 0) == content
    assert values.get("received", 0) == values.get("processed", 0) + rows + lost
    return int(values.get("received", 0))


def wait_for_more_than(folder: Path, number: int) -> int:
    deadline = time.monotonic() + PATIENCE
    while (found := received(folder)) <= number:
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.002)
    return found


@pytest.mark.long
def test_killed_fifty_times_at_random_instants(tmp_path: Path) -> None:
    chance = random.Random(5)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.support.edge_process"])
    with Mosquitto(tmp_path / "broker") as mosquitto:
        # The session is there before the sensors send: the broker keeps what nobody has fetched.
        node = Working(tmp_path, broker_of(mosquitto.port, in_flight=20))

        async def begin() -> None:
            async with node.running():
                await node.connected()

        asyncio.run(begin())
        node.connection.close()
        publisher = Publisher(mosquitto.port)
        before = 0
        for life in range(KILLS):
            publisher.send(messages(life))
            process = processes.Process(target=sense, args=(tmp_path, mosquitto.port))
            process.start()
            assert process.pid is not None
            try:
                if chance.random() < 0.9:  # else somewhere in its start
                    wait_for_more_than(tmp_path, before + chance.randrange(EACH))
                time.sleep(chance.uniform(0, 0.01))  # not to be always just after a commit
            finally:
                os.kill(process.pid, signal.SIGKILL)
                process.join()
            before = received(tmp_path)
        publisher.close()

        last = Working(tmp_path, broker_of(mosquitto.port, in_flight=20))

        async def rest() -> None:
            async with last.running():
                counts = await last.until(lambda c: c.received >= publisher.acknowledged)
                await publish(mosquitto.port, range(KILLS * EACH, KILLS * EACH + 1))
                counts = await last.until(lambda c: c.received > publisher.acknowledged)
                assert balanced(counts)
                assert counts.received == publisher.acknowledged + 1
                assert counts.lost == {"malformed_json": KILLS * MALFORMED}
                assert counts.processed + counts.waiting == KILLS * EACH + 1

        asyncio.run(rest())
