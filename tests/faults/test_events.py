"""Events and messages: none is lost or counts twice, whatever is killed, swapped, full or away."""

import asyncio
import multiprocessing
import os
import random
import signal
import time
import urllib.request
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from fl_client.functions.label_change import LabelChange
from fl_client.node.assembly.node import NodeAssembly, build_node
from fl_client.store.database import open_store
from fl_client.store.function_inbox import FunctionInbox, InboxCounts
from fl_client.store.spool_counts import counts_of
from fl_common.errors import StoreFull
from fl_common.functions import Predicted
from tests.support.edge_process import node_config, run_node
from tests.support.function_hosts import functions_of
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import (
    NodeProcess,
    World,
    expected_starts,
    message,
    node,
    place_model,
    wait_for,
)

KILLS, EACH = 50, 8


def counts(home: Path) -> dict[str, int]:
    """The outbox's counts, which are those of its rows and balance at any instant."""
    with closing(open_store(home / "site.sqlite")) as connection:
        connection.execute("BEGIN")
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name='outbox'").fetchone():
            return {}
        values = dict(connection.execute("SELECT name, value FROM outbox_count"))
        (rows,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
        (unmarked,) = connection.execute(
            "SELECT count(*) FROM windows WHERE predicted IS NULL"
        ).fetchone()
        (marked,) = connection.execute(
            "SELECT count(*) FROM windows WHERE predicted IS NOT NULL"
        ).fetchone()
    assert unmarked == 0
    assert values.get("waiting", 0) == rows
    assert values.get("made", 0) == values.get("published", 0) + rows
    assert values.get("made", 0) >= marked
    return values


def messages(home: Path) -> int:
    """How many messages were received, of which none is lost or counts twice."""
    with closing(open_store(home / "site.sqlite")) as connection:
        found = counts_of(connection)
    assert found.received == found.processed + found.waiting
    return found.received


def told_by_a_function(world: World) -> list[tuple[str | None, str]]:
    """From and to of each change of label, in the order of their windows."""
    everything = world.events().values()
    events = [data for data in everything if data.get("function") == "label_change"]
    return [(data["from"], data["to"]) for data in events]


def told_of_the_predictions(world: World) -> list[tuple[str | None, str]]:
    """What the function should have told, by the predictions that were heard."""
    functions = functions_of({"label_change": lambda: LabelChange(3)}, 1)
    predictions = [data for data in world.events().values() if "function" not in data]
    found = []
    for data in sorted(predictions, key=lambda data: data["window_start_ns"]):
        labels, shares = zip(*data["probabilities"].items(), strict=True)
        predicted = Predicted(data["window_start_ns"], 0, labels, shares)
        found += [(e.data["from"], e.data["to"]) for _, e in functions(predicted).found]
    return found


COUNT = "+functions.count._target_=tests.support.hostile_functions.Good"


def kill_functions(pid: int) -> None:
    """Kill the process of a node's functions, if it has one at the moment."""
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            child.kill()


def functions(home: Path) -> InboxCounts:
    """The counts of windows at the functions, which balance at any instant."""
    with closing(open_store(home / "site.sqlite")) as connection:
        connection.execute("BEGIN")
        found = FunctionInbox(connection, 1000).counts()
        (rows,) = connection.execute("SELECT count(*) FROM function_inbox").fetchone()
    assert found.waiting == rows
    assert found.put == found.done + rows + sum(found.dropped.values())
    return found


def heard(world: World, number: int) -> bool:
    return len(world.heard) >= number


def connected(home: Path, broker: Mosquitto) -> bool:
    status = NodeProcess(home, broker.port).status()
    return bool(status and status["broker"]["connected"])


@pytest.mark.long
def test_killed_fifty_times_no_event_is_lost_or_made_twice(tmp_path: Path) -> None:
    chance, home = random.Random(7), tmp_path / "box"
    wanted = expected_starts((KILLS + 1) * EACH)
    place_model(home)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.support.edge_process"])
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "box") as world:
        for life in range(KILLS + 1):
            process = processes.Process(target=run_node, args=(home, broker.port, COUNT))
            process.start()
            assert process.pid is not None
            try:
                if life == 0:
                    wait_for(partial(connected, home, broker), "a session at the broker")
                world.send(life * EACH, (life + 1) * EACH)
                if life == KILLS:
                    wait_for(lambda: world.starts() >= wanted, "every prediction")
                    wait_for(lambda: functions(home).waiting == 0, "an empty inbox")
                    wait_for(lambda: counts(home).get("waiting") == 0, "an empty outbox")
                elif chance.random() < 0.7:  # else somewhere in its start
                    wait_for(partial(heard, world, len(world.heard) + 1), "an event")
                    if chance.random() < 0.5:
                        kill_functions(process.pid)
                time.sleep(chance.uniform(0, 0.05))  # the instant is what is tried, not a wait
            finally:
                os.kill(process.pid, signal.SIGKILL)
                process.join()
            counts(home)
            functions(home)
        events = world.events()
        assert world.starts() == wanted
        assert len(events) == counts(home)["made"]
        assert told_by_a_function(world) == told_of_the_predictions(world) != []
        numbers = [data["number"] for data in events.values() if data.get("function") == "count"]
        assert numbers == list(range(1, len(wanted) + 1))
        assert functions(home).put == len(wanted)
        assert messages(home) == (KILLS + 1) * EACH


def post(process: NodeProcess, first: int, last: int) -> None:
    """The watch's messages by HTTP, which needs no broker."""
    address = process.status()["transports"]["http"]["address"]
    for number in range(first, last):
        url = f"{address}/sensors/{process.home.name}/watch"
        with urllib.request.urlopen(url, message(number), timeout=120) as answer:
            assert answer.status == 204


@pytest.mark.slow
def test_a_swap_of_the_model_while_the_broker_is_away_makes_no_second_event(
    tmp_path: Path,
) -> None:
    home = tmp_path / "away"
    old = place_model(home)
    by_http = ("transports=http", "transports.http.port=0", "sensors.watch.transport=http")
    with (
        Mosquitto(tmp_path / "broker") as broker,
        World(broker.port, "away") as world,
        node(home, broker.port, *by_http) as process,
    ):
        process.wait()
        broker.kill()
        wait_for(lambda: not process.status()["broker"]["connected"], "a node without a broker")
        post(process, 0, 40)
        new = place_model(home, seed=1)
        wait_for(lambda: process.status()["model"]["digest"] == new, "the new model")
        post(process, 40, 80)
        process.kill()
        broker.start()
        process.start()
        wait_for(lambda: world.starts() >= expected_starts(80), "all predictions")
        wait_for(
            lambda: process.status()["functions"]["windows"]["waiting"] == 0, "what functions tell"
        )
        wait_for(lambda: process.status()["events"]["waiting"] == 0, "an empty outbox")
        events = process.status()["events"]
        assert len(world.events()) == events["made"] == events["published"]
        told = [d for d in world.events().values() if "function" not in d]
        assert [d["window_start_ns"] for d in told] == sorted(expected_starts(80))
        models = [d["model"] for d in told]
        assert models == sorted(models, key=[old, new].index)
        assert set(models) == {old, new}
        assert told_by_a_function(world) == told_of_the_predictions(world) != []


def a_box(home: Path, port: int) -> NodeAssembly:
    place_model(home)
    return build_node(node_config(home, port), connected=True)


def test_what_is_committed_is_published_whatever_fails_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upkeep of a full disk raises; the messages are acknowledged, and the events leave."""
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "box") as world:
        box = a_box(tmp_path / "box", broker.port)

        def full(*_: object) -> int:
            raise StoreFull("the disk is full.")

        monkeypatch.setattr(box.loop.pipeline, "retain", full)

        async def run() -> None:
            loops = [asyncio.create_task(one) for one in
                     (box.loop.node.run(), box.loop.events.outbox.run())]  # fmt: skip
            await box.loop.node.ready.wait()
            inlet = box.sensing.inlets["mqtt"]
            take = box.loop.node.taker(inlet.intake)
            loops.append(asyncio.create_task(inlet.transport.run(inlet.intake.addresses, take)))
            while not inlet.transport.state().up:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(world.send, 0, 40)
            while box.loop.upkeep.events.published < len(expected_starts(40)):
                await asyncio.sleep(0.01)
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await box.loop.node.close()

        asyncio.run(run())
        assert box.loop.metrics.value("store_errors_total") >= 1
        assert world.starts() == expected_starts(40)
        assert counts(tmp_path / "box")["published"] == len(world.events())
