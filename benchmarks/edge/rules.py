"""What functions cost a node: two nodes side by side, one of them with eight rules in Python.

Both have a sensor and a broker of their own, and take short turns in one run, of which each is
first in every other one, so that the machine's other work is the same for both.
"""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil

from benchmarks.edge.sensor import Sensor, raw_message, windows_in
from benchmarks.measuring.environments import ROOT
from fl_client.functions.host.compiler import MACHINE_CODE
from models.tasks import wearables
from tests.support.model_files import published
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import NodeProcess, node, wait_for
from tests.support.repositories import World
from tests.support.sandboxes import limits
from tests.support.sites import promote, source_added

RULES, TURNS = 8, 16
_ROWS, _MESSAGES = 16, 1000
_PATIENCE_S = 600.0
_SETTLE_MESSAGES = 40
_LOOK_S = 0.5
_PRIVATE = "uss"
"""Memory of a process that no other shares, in bytes."""
_SETTINGS = {"name": "ROW", "above": 0.8, "below": 0.5, "windows": 3}


@dataclass
class Box:
    """A node under load, and how many of its messages were sent."""

    process: NodeProcess
    sensor: Sensor
    sent: int = 0

    def flood(self, count: int) -> dict[str, float]:
        """Messages a second to the last prediction; CPU seconds of node and functions until then.

        Functions may work on after it: ``behind_s`` are the seconds until they had seen all.
        """
        before, host_before = self._seconds(), self._host_seconds()
        began = time.monotonic()
        self.sensor.send(raw_message(_ROWS), self.sent, self.sent + count, None)
        self.sent += count
        expected = windows_in(self.sent * _ROWS)
        while len(self.sensor.heard) < expected:
            if time.monotonic() - began > _PATIENCE_S:
                raise SystemExit(f"{len(self.sensor.heard)} of {expected} predictions came")
            time.sleep(0.01)
        seconds = time.monotonic() - began
        while self.status()["functions"]["windows"]["waiting"]:
            time.sleep(_LOOK_S)  # asking costs the node, too
        behind = time.monotonic() - began - seconds
        return {
            "rate": count / seconds,
            "node_s": self._seconds() - before,
            "functions_s": self._host_seconds() - host_before,
            "behind_s": behind,
            "windows": expected - windows_in((self.sent - count) * _ROWS),
        }

    def status(self) -> Any:
        """What the node says."""
        return self.process.status()

    def host(self) -> psutil.Process | None:
        """The process of its functions, if there is one."""
        children = psutil.Process(self.process.process.pid).children()
        return next((one for one in children if "host.child" in " ".join(one.cmdline())), None)

    def _seconds(self) -> float:
        return _cpu(psutil.Process(self.process.process.pid))

    def _host_seconds(self) -> float:
        found = self.host()
        return _cpu(found) if found is not None else 0.0


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _world(folder: Path, rules: int) -> tuple[World, list[str]]:
    """A repository with a model and so many rules, each a threshold alarm of its own."""
    world, task = World(folder), wearables()
    world.created()
    model = published(folder / "one.onnx", 0, task=task).read_bytes()
    promote(world, world.add(model, task.name))
    source = (ROOT / "functions/threshold-alarm/function.py").read_text("utf-8")
    names = [f"rule-{number}" for number in range(rules)]
    any_data = dict[str, Any]()
    for name in names:
        promote(world, source_added(
            world, name, source, settings=_SETTINGS, limits=limits(milliseconds=500),
            emits={"alarm-raised": any_data, "alarm-cleared": any_data}, needs=["emit", "state"],
        ))  # fmt: skip
    return world, names


def _following(world: World, names: list[str]) -> tuple[str, ...]:
    return (
        "functions=none", f"components.functions=[{','.join(names)}]",
        "components.sandbox={forms: [python], needs: [emit, state, log], fuel: 50000000,"
        f" memory_mb: 64, functions: {RULES}}}",
        f"components.source={world.place}",
        f"components.root={world.place / 'metadata/1.root.json'}",
        "components.poll={every_s: 0.5, jitter: 0.2}", "retention.days=36500",
        "components.health={windows: 1, more_failures: 0.5, times_slower: 1e6, ends: 3}",
    )  # fmt: skip


@contextmanager
def _at_work(folder: Path, rules: int) -> Iterator[Box]:
    """A node with so many rules, each of which is kept after its trial."""
    world, names = _world(folder, rules)
    home = folder / "box"
    home.mkdir()
    with ExitStack() as opened:
        broker = opened.enter_context(Mosquitto(folder / "broker"))
        process = opened.enter_context(node(home, broker.port, *_following(world, names)))
        process.wait()  # it has a model, and the broker
        sensor = Sensor(broker.port, "sensors/box/watch", "predictions/box", _ROWS)
        box = Box(process, opened.enter_context(sensor))
        wait_for(
            lambda: {*names} <= {*box.status()["functions"]["failures"]}, "all rules", _PATIENCE_S
        )
        box.flood(_SETTLE_MESSAGES)
        yield box


def measure_rules(folder: Path) -> dict[str, Any]:
    """Rates with and without, what a rule costs for each window, and what a second start makes."""
    (folder / "without").mkdir(parents=True)
    (folder / "with").mkdir()
    with _at_work(folder / "without", 0) as bare, _at_work(folder / "with", RULES) as full:
        turns = [_pair(bare, full, number) for number in range(TURNS)]
        host = full.host()
        assert host is not None
        memory = host.memory_full_info()._asdict()[_PRIVATE]
        assert full.status()["functions"]["failures"] == dict.fromkeys(
            [f"rule-{number}" for number in range(RULES)], 0
        )
    shares = [other["rate"] / one["rate"] for one, other in turns]
    return {
        "share": median(shares), **_spread(shares), "messages": _MESSAGES,
        "host_ms": median(_each(other, other["functions_s"]) for _, other in turns),
        "node_ms": median(
            _each(other, other["node_s"] - one["node_s"]) for one, other in turns
        ),
        "behind_s": median(other["behind_s"] for _, other in turns),
        "memory_mb": memory / 1e6,
        **_second_start(folder),
    }  # fmt: skip


def _pair(bare: Box, full: Box, number: int) -> tuple[dict[str, float], dict[str, float]]:
    """A turn of both, of which another is first each time."""
    if number % 2:
        other = full.flood(_MESSAGES)
        return bare.flood(_MESSAGES), other
    return bare.flood(_MESSAGES), full.flood(_MESSAGES)


def _spread(shares: list[float]) -> dict[str, float]:
    """Quartiles, the least and the most."""
    lower, _, upper = quantiles(shares, n=4)
    return {"least": min(shares), "lower": lower, "upper": upper, "greatest": max(shares)}


def _each(turn: Mapping[str, float], seconds: float) -> float:
    """Milliseconds of one rule for one window."""
    return 1000 * seconds / turn["windows"] / RULES


def _second_start(folder: Path) -> dict[str, Any]:
    """Machine code before and after another start of the node with rules."""
    home = folder / "with" / "box"
    made = _files(home)
    world = World(folder / "with")
    names = [f"rule-{number}" for number in range(RULES)]
    with Mosquitto(folder / "again") as broker:
        began = time.monotonic()
        with node(home, broker.port, *_following(world, names)) as process:
            process.wait(healthy=False)
            wait_for(lambda: {*names} <= {*process.status()["functions"]["failures"]}, "all rules")
            seconds = time.monotonic() - began
    assert _files(home) == made, "the second start compiled"
    shutil.rmtree(folder / "again")
    return {"second_start_s": seconds, "machine_code_files": len(made)}


def _files(home: Path) -> dict[str, int]:
    """Files of machine code, each with the time at which it was written."""
    found = (home / MACHINE_CODE).glob("*.machine")
    return {path.name: path.stat().st_mtime_ns for path in found}
