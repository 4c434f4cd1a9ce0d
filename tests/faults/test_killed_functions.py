"""kill -9 of the node, its functions' process and the broker: what a function counts is right."""

import itertools
import json
import os
import random
import shutil
import signal
import time
import urllib.request
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from fl_client.functions.host.compiler import MACHINE_CODE
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PERIOD, START, NodeProcess, place_model, wait_for
from tests.support.repositories import World
from tests.support.sandboxes import compile_runner, limits
from tests.support.sites import promote, source_added
from tests.support.told_events import Judge, judge, store, waiting

KILLS = {"child": 48, "broker": 40, "node": 12}
FLIGHTS = 15
"""Kills of the broker with events in flight."""
EACH, ROWS = 50, 64  # windows between two kills, and new readings in each
COUNTS = """
def handle(event):
    n = get("n", 0) + 1
    put("n", n)
    emit("counted", {"n": n})
"""


def post(process: NodeProcess, step: int) -> None:
    """Readings of ``EACH`` windows in one message by HTTP, which needs no broker."""
    first = step * EACH * ROWS
    values = np.sin(np.arange(first, first + EACH * ROWS)[:, None] / 50 * np.arange(1, 7))
    body = (START + first * PERIOD).to_bytes(8, "little") + values.astype("<f4").tobytes()
    address = process.status()["transports"]["http"]["address"]
    with urllib.request.urlopen(f"{address}/sensors/box/watch", body, timeout=60) as answer:
        assert answer.status == 204


def kill_child(process: NodeProcess) -> bool:
    """Whether the process of the functions was there, and is killed."""
    with suppress(psutil.Error):
        for child in psutil.Process(process.process.pid).children(recursive=True):
            if "fl_client.functions.host.child" in child.cmdline():
                child.kill()
                return True
    return False


def restart_broker(process: NodeProcess, broker: Mosquitto, heard: Judge, home: Path) -> None:
    """Kill the broker when the judge has heard all that it had, and start it again.

    What it has acknowledged and not yet passed on is its own to lose. So the node waits until the
    judge listens again.
    """
    wait_for(lambda: waiting(home) == 0, "an empty outbox")
    published = "SELECT value FROM outbox_count WHERE name = 'published'"
    wait_for(lambda: len(heard.events()) == store(home, published), "all that was published")
    kill_broker(process, broker, heard)


def kill_broker(process: NodeProcess, broker: Mosquitto, heard: Judge) -> int:
    """Kill the broker and start it again; the last number that was heard of it.

    The node waits until the judge listens again.
    """
    before = heard.subscriptions()
    broker.kill()
    os.kill(process.process.pid, signal.SIGSTOP)
    broker.start()
    wait_for(lambda: heard.subscriptions() > before, "a judge that listens again")
    last = max([0, *numbers_of(heard)])
    os.kill(process.process.pid, signal.SIGCONT)
    return last


def options(world: World) -> tuple[str, ...]:
    return (
        "functions=none", "components.functions=[counts]", "function_host.seconds=10",
        "components.sandbox={forms: [python], needs: [emit, state, log], fuel: 50000000,"
        " memory_mb: 64, functions: 1}",
        f"components.source={world.place}",
        f"components.root={world.place / 'metadata/1.root.json'}",
        "components.poll={every_s: 1, jitter: 0.2}",
        "components.health={windows: 1, more_failures: 0.5, times_slower: 1e6, ends: 1000}",
        "transports=http", "transports.http.port=0", "sensors.watch.transport=http",
    )  # fmt: skip


def is_there(process: NodeProcess) -> bool:
    status = process.status()
    if not status or "counts" not in status["functions"]["failures"]:
        return False
    return bool(status["transports"]["http"].get("address"))


def counting(folder: Path, home: Path) -> World:
    """A repository with the function that counts, for a box in ``home`` that has a model."""
    world = World(folder)
    world.created()
    given = {"limits": limits(milliseconds=5000), "emits": {"counted": {}}}
    promote(world, source_added(world, "counts", COUNTS, **given))
    place_model(home)
    shutil.copytree(compile_runner(), home / MACHINE_CODE)
    return world


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_hundred_kills_and_every_window_is_counted_once(tmp_path: Path) -> None:
    home, chance = tmp_path / "box", random.Random(3)
    world = counting(tmp_path, home)
    order = [what for what, number in KILLS.items() for _ in range(number)]
    chance.shuffle(order)
    with Mosquitto(tmp_path / "broker") as broker, judge(broker.port, tmp_path / "heard") as heard:
        process = NodeProcess(home, broker.port, *options(world))
        process.start()
        try:
            wait_for(partial(is_there, process), "the function")
            for step, what in enumerate(order):
                post(process, step)
                if what == "broker":
                    restart_broker(process, broker, heard, home)
                    continue
                time.sleep(chance.uniform(0, 0.05))  # the instant is what is tried, not a wait
                if what == "child":
                    wait_for(partial(kill_child, process), "a process of functions")
                else:
                    process.kill()
                    process.start()
                    wait_for(partial(is_there, process), "the function")
            wait_for(lambda: waiting(home) == 0, "an end of all that waits")
            made = store(home, "SELECT value FROM outbox_count WHERE name = 'made'")
            wait_for(lambda: len(heard.events()) == made, "all events")
        finally:
            process.kill()
        events = heard.events()
        numbers = [data["n"] for topic, data in events.values() if topic.startswith("events/")]
        windows = store(home, "SELECT count(*) FROM windows WHERE predicted IS NOT NULL")
        letters = store(home, "SELECT count(*) FROM function_letters")
        state = json.loads(store(home, "SELECT content FROM function_memory"))
        assert windows >= EACH * (len(order) - 1)
        assert int(state["n"]) == windows - letters
        assert numbers == list(range(1, windows - letters + 1))
        assert len(events) == windows + len(numbers)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_broker_that_dies_with_events_in_flight_loses_only_what_it_had_taken(
    tmp_path: Path,
) -> None:
    """What it acknowledged and did not pass on is gone with it: a gap at a kill, and nowhere else.

    The node itself loses nothing, and tells nothing by two ids.
    """
    home, chance = tmp_path / "box", random.Random(5)
    world = counting(tmp_path, home)
    flying, heard_then = 0, list[int]()
    with Mosquitto(tmp_path / "broker") as broker, judge(broker.port, tmp_path / "heard") as heard:
        process = NodeProcess(home, broker.port, *options(world))
        process.start()
        try:
            wait_for(partial(is_there, process), "the function")
            for step in range(FLIGHTS):
                post(process, step)
                wait_for(lambda: waiting(home) > 0, "events")
                time.sleep(chance.uniform(0, 0.05))  # the instant is what is tried, not a wait
                flying += waiting(home) > 0
                heard_then.append(kill_broker(process, broker, heard))
            wait_for(lambda: waiting(home) == 0, "an end of all that waits")
            last = json.loads(store(home, "SELECT content FROM function_memory"))
            wait_for(lambda: int(last["n"]) in numbers_of(heard), "the last event")
        finally:
            process.kill()
    windows = store(home, "SELECT count(*) FROM windows WHERE predicted IS NOT NULL")
    letters = store(home, "SELECT count(*) FROM function_letters")
    counts = {name: store(home, f"SELECT value FROM outbox_count WHERE name = '{name}'")
              for name in ("made", "published")}  # fmt: skip
    assert flying > FLIGHTS // 2, "there were events in flight"
    assert int(last["n"]) == windows - letters
    assert counts["made"] == counts["published"] == 2 * windows - letters
    numbers = sorted(numbers_of(heard))
    assert len(numbers) == len({*numbers})
    gaps = [low for low, high in itertools.pairwise([0, *numbers]) if high - low > 1]
    assert len(gaps) <= FLIGHTS
    assert {*gaps} <= {*heard_then}


def numbers_of(heard: Judge) -> list[int]:
    """What the function has counted, as it was heard."""
    return [d["n"] for topic, d in heard.events().values() if topic.startswith("events/")]
