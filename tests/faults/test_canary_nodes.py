"""A version of a function that fails now and then, on whole boxes: each canary goes back alone."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fl_client.components.canary import is_canary
from fl_client.functions.host.compiler import MACHINE_CODE
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PERIOD, NodeProcess, place_model, wait_for
from tests.support.nodes import World as Sensors
from tests.support.repositories import World
from tests.support.sandboxes import compile_runner, limits
from tests.support.sites import promote, source_added
from tests.support.told_events import Judge, judge, store, waiting

BOXES, PERCENT, NAME = 3, 75, "alarms"
MESSAGES = 480
"""Of 16 readings: a window begins each 64, so the health window of 100 ends within so many."""
ALARMS = """
def handle(event):
    emit("alarm", {"start_ns": event.start_ns})
"""
FAILS = f"""
def handle(event):
    if event.start_ns // {64 * PERIOD} % 20 == 7:
        raise ValueError("no such alarm")
    emit("alarm", {{"start_ns": event.start_ns}})
"""


def released(world: World, source: str, canary: int | None = None) -> str:
    """The digest of a version that comes into production, on all boxes or on canaries alone."""
    given = {"limits": limits(milliseconds=10_000), "emits": {"alarm": {}}}
    component = source_added(world, NAME, source, **given)
    promote(world, component, canary=canary)
    return component.digest


def options(world: World) -> tuple[str, ...]:
    return (
        "functions=none", f"components.functions=[{NAME}]", "function_host.seconds=20",
        "components.sandbox={forms: [python], needs: [emit, state, log], fuel: 50000000,"
        " memory_mb: 64, functions: 1}",
        f"components.source={world.place}",
        f"components.root={world.place / 'metadata/1.root.json'}",
        "components.poll={every_s: 0.5, jitter: 0.2}",
        "components.health={windows: 100, more_failures: 0.02, times_slower: 1e6, ends: 3}",
    )  # fmt: skip


class Box:
    """A box as a process, and the sensor that sends to it."""

    def __init__(self, world: World, name: str, port: int) -> None:
        self.home, self.name, self._sent = world.folder / name, name, 0
        place_model(self.home)
        shutil.copytree(compile_runner(), self.home / MACHINE_CODE)
        self.node = NodeProcess(self.home, port, *options(world))
        self._sensor = Sensors(port, name)
        self.node.start()

    def part(self) -> dict[str, Any]:
        """What the status has of the function's versions."""
        found: dict[str, Any] = (self.node.status().get("components") or {}).get("functions", {})
        part: dict[str, Any] = found.get(NAME, {})
        return part

    def good(self) -> list[str]:
        return [each["version"] for each in self.part().get("good", [])]

    def feel(self, messages: int) -> None:
        """So many messages, and an end of all that follows from them."""
        self._sensor.send(self._sent, self._sent + messages)
        self._sent += messages
        windows = (self._sent - 8) // 4
        wait_for(lambda: self.predicted() >= windows - 1, "predictions")
        wait_for(lambda: waiting(self.home) == 0, "an end of all that waits")

    def take_first(self) -> None:
        """The first version, which is kept after its trial."""
        wait_for(self.has_function, "the first version")
        self.feel(MESSAGES)
        wait_for(lambda: self.good() == ["1"], "a first version that is kept")

    def has_function(self) -> bool:
        return NAME in self.node.status().get("functions", {}).get("failures", {})

    def live_through_trial(self) -> None:
        """Windows, until its end: the version before works until this one is there."""
        wait_for(self.is_on_trial, "a trial")
        for _ in range(2 * MESSAGES // 40):
            self.feel(40)
            if not self.is_on_trial():
                return
        raise AssertionError(f"a trial without an end: {self.part()}")

    def is_on_trial(self) -> bool:
        return bool(self.part().get("trial"))

    def check_went_back(self) -> None:
        """Status and log name the author's line."""
        (failed,) = self.part()["failed"]
        assert failed["version"] == "2"
        assert "no such alarm (function.py:4)" in failed["reason"]
        assert self.node.log().count("rolled back to 1") == 1
        assert self.letters() > 0

    def predicted(self) -> int:
        query = "SELECT count(*) FROM windows WHERE predicted IS NOT NULL"
        return int(store(self.home, query))

    def retry(self) -> None:
        """Show the letters again, by the command that a person types."""
        line = [sys.executable, "-m", "fl_client", "functions", "retry", NAME]
        subprocess.run([*line, "--home", str(self.home)], check=True, timeout=120)
        wait_for(lambda: not self.letters(), "an end of the letters")
        wait_for(lambda: waiting(self.home) == 0, "an end of all that waits")

    def letters(self) -> int:
        return int(store(self.home, "SELECT count(*) FROM function_letters"))

    def close(self) -> None:
        self._sensor.__exit__()
        self.node.kill()


@contextmanager
def boxes(world: World, port: int) -> Iterator[list[Box]]:
    with ExitStack() as ends:
        made = []
        for number in range(BOXES):
            made.append(Box(world, f"box-{number}", port))
            ends.callback(made[-1].close)
        yield made


def alarms_of(heard: Judge, box: Box) -> Counter[int]:
    """How often each alarm was told, each id once."""
    topic = f"events/{box.name}"
    return Counter(data["start_ns"] for of, data in heard.events().values() if of == topic)


def check_alarms(heard: Judge, box: Box) -> None:
    """Each window that was predicted has one alarm, with its own time."""
    wait_for(lambda: len(alarms_of(heard, box)) >= box.predicted(), "the alarms")
    alarms = alarms_of(heard, box)
    assert {*alarms.values()} == {1}, "none twice"
    found = "SELECT json_group_array(start_ns) FROM windows WHERE predicted IS NOT NULL"
    assert {*alarms} == {*json.loads(store(box.home, found))}, "none lost"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_each_canary_goes_back_by_itself_and_no_alarm_is_lost_or_told_twice(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.created()
    released(world, ALARMS)
    broker = Mosquitto(tmp_path / "broker")
    with broker, judge(broker.port, tmp_path / "heard") as heard, boxes(world, broker.port) as all_:
        for box in all_:
            box.take_first()
        digest = released(world, FAILS, canary=PERCENT)
        canaries = [box for box in all_ if is_canary(box.name, digest, PERCENT)]
        assert len(canaries) == 2, "by the digest of the component, always the same"
        for box in all_:
            if box in canaries:
                box.live_through_trial()
                box.check_went_back()
                box.retry()
            box.feel(40)
            assert box.good() == ["1"]
            assert len(box.part()["failed"]) == (box in canaries)
        for box in all_:
            check_alarms(heard, box)
