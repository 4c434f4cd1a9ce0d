"""What the upkeep tells: the first of a kind of what is dropped or doubtful, and counts of all."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter

from fl_client.clock.guard import Instant
from fl_client.functions.host import Answer
from fl_client.home import STORE
from fl_client.node.assembly.loop import Loop
from fl_client.node.assembly.node import build_node
from fl_client.node.upkeep import _add_to
from fl_client.sensors import Annotation, Readings
from fl_client.store.database import open_store
from fl_client.store.outbox import NewEvent, PublishProgress, StoredEvents
from fl_client.store.spool_identities import Arrival
from fl_common.functions import FunctionEvent
from fl_common.wire.cloud_events import JSON, CloudEvent
from models import tasks
from tests.support.edge_process import node_config

CHANNELS = 6
LATER = 2_000_000_000 * 10**9  # after this version was made


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    found = build_node(node_config(tmp_path / "box", 1), connected=True).loop
    found.upkeep.begin()
    return found


def step(loop: Loop, seconds: int, *messages: tuple[int, float]) -> None:
    """Take messages of the watch, each with an id and a value for one instant."""
    now = Instant(LATER + seconds * 10**9, (100 + seconds) * 10**9)
    arrivals = [
        Arrival(Readings("watch", f"{name} {value} {seconds}", np.array([now.wall_ns]),
                         np.full((1, CHANNELS), value, np.float32)), named=str(name))
        for name, value in messages
    ]  # fmt: skip
    loop.upkeep.after(loop.pipeline.advance(arrivals, PublishProgress(), now), now)


def test_an_id_that_is_used_again_is_told_once_and_counted(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(4):
        step(loop, second, (1, float(second)))
    told = [line for line in caplog.messages if "has the id of an earlier one" in line]
    assert [line.split(":")[0] for line in told] == ["watch"]
    assert loop.upkeep.spool.reused_ids == 3
    assert loop.metrics.value("messages_reused_id_total") == 3


def test_readings_of_one_instant_that_differ_are_told_once_and_counted(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(4):
        step(loop, second, (2 * second, 1.0), (2 * second + 1, 2.0))
    told = [line for line in caplog.messages if "readings of one instant differ" in line]
    assert [line.split(":")[0] for line in told] == ["watch"]
    assert loop.metrics.value("readings_unused_total", {"reason": "merged"}) == 4


def test_calls_of_functions_are_counted_by_outcome_with_fuel_and_seconds(loop: Loop) -> None:
    tally = loop.upkeep._functions.tally
    found = Answer([FunctionEvent("alarm", {})], None, [], 0.25, 700)
    answers = (
        found,
        found,
        Answer([], None, [], 0.5, 100),
        Answer(None, None, ["why"], 1.0, 9, "fuel"),
    )
    for answer in answers:
        tally.note("fall", answer)
    for second in (0, 1):
        step(loop, second)
    calls = {
        outcome: loop.metrics.value(
            "function_calls_total", {"function": "fall", "outcome": outcome}
        )
        for outcome in ("found", "nothing", "fuel", "error")
    }
    assert calls == {"found": 2, "nothing": 1, "fuel": 1, "error": 0}
    assert loop.metrics.value("function_fuel_total", {"function": "fall"}) == 1509
    assert loop.metrics.value("function_seconds_total", {"function": "fall"}) == 2.0


def test_labels_that_tell_nothing_are_told_once_and_counted_by_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = {**tasks.wearables().to_fields(), "labels": [], "kind": "regression"}
    task = {"_target_": "models.tasks.declared", **numbers, "range": [0, 50]}
    loop = build_node({**node_config(tmp_path / "box", 1), "task": task}, connected=True).loop
    loop.upkeep.begin()
    for second, label in enumerate(("50.5", "warm", "-1", "50")):
        now = Instant(LATER + second * 10**9, (100 + second) * 10**9)
        told = Arrival(Annotation(str(second), LATER, LATER + 10**9, label))
        loop.upkeep.after(loop.pipeline.advance([told], PublishProgress(), now), now)
    lines = [line for line in caplog.messages if "tells nothing of any window" in line]
    assert [line.split(":")[0] for line in lines] == ["range", "number"]
    assert "beyond task.range" in lines[0]
    counts = [loop.metrics.value("labels_unused_total", {"reason": r}) for r in ("range", "number")]
    assert counts == [2, 1]


@pytest.mark.parametrize(("reason", "size"), [("full", 1), ("function", 1), ("size", 70_000)])
def test_events_that_are_dropped_are_told_once_and_counted(
    loop: Loop, tmp_path: Path, caplog: pytest.LogCaptureFixture, reason: str, size: int
) -> None:
    event = CloudEvent("e", "urn:box", "t", datacontenttype=JSON, data="x" * size)
    function = "flood" if reason == "function" else None
    with closing(open_store(tmp_path / "box" / STORE)) as connection:
        stored = StoredEvents(connection, 2, has_broker=True)
        for second in range(3):
            stored.put([NewEvent("events/box", event, function)] * 4)
            step(loop, second)
    told = [line for line in caplog.messages if f"events are dropped ({reason})" in line]
    assert len(told) == 1
    assert "events.waiting" in told[0] or "64 KiB" in told[0]
    dropped = {"full": 10, "function": 10, "size": 12}[reason]
    assert loop.metrics.value("events_dropped_total", {"reason": reason}) == dropped


def test_counts_to_which_another_thread_adds_can_be_told() -> None:
    registry = CollectorRegistry()
    metric = Counter("late", "Late windows", ["function"], registry=registry)
    counts = {"one": 1}

    class Growing(dict[str, int]):
        def get(self, name: str, default: int = 0) -> int:  # type: ignore[override]
            counts[f"{name} more"] = 1
            return default

    _add_to(metric, counts, Growing())
    assert registry.get_sample_value("late_total", {"function": "one"}) == 1
