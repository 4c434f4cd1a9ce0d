"""A burst: windows that come faster than the broker takes their predictions."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from paho.mqtt.client import topic_matches_sub

from fl_client.clock.guard import Instant
from fl_client.configuration import read_config
from fl_client.node.assembly.declared import build_declared
from fl_client.node.assembly.node import NodeAssembly, build_node
from fl_client.sensors.intake import Intake
from fl_client.sensors.transports import Delivery
from fl_client.store.outbox import PublishProgress, WaitingEvent
from fl_client.store.spool_identities import Arrival
from models import tasks
from tests.support.nodes import expected_starts, message, place_model, wait_for

MESSAGES, AT_ONCE, STEPS = 400, 40, 120
NOW = Instant(2_000_000_000 * 10**9, 100 * 10**9)  # after this version was made
WINDOWS = sorted(expected_starts(MESSAGES))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place_model(tmp_path / "box")
    return tmp_path / "box"


def opened(home: Path, waiting: int) -> NodeAssembly:
    options = (f"home={home}", "name=box", "sensors=wearables_raw", "functions=none",
               f"events.waiting={waiting}", "retention.days=36500")  # fmt: skip
    found = build_node(read_config(None, options), connected=True)
    wait_for(found.loop.pipeline.swap, "a model that was tried")
    return found


def burst(box: NodeAssembly) -> Iterator[Sequence[Arrival]]:
    """All messages in the first steps, then none."""
    config = read_config(None, [f"home={box.home}", "name=box", "sensors=wearables_raw"])
    declared = build_declared(config, tasks.wearables())
    intake = Intake(declared.messages["mqtt"], topic_matches_sub, 10**6)
    for first in range(0, STEPS * AT_ONCE, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, MESSAGES))
        sent = [Delivery("sensors/box/watch", message(n), "", again=True) for n in numbers]
        yield intake.arrivals(sent, NOW.wall_ns)


def predicted_by(box: NodeAssembly, *, flows: bool, taken: int) -> list[int]:
    """The windows that are predicted when the broker takes ``taken`` events in a step."""
    found: list[int] = []
    outgoing: list[WaitingEvent] = []
    after = 0
    for arrivals in burst(box):
        settled = tuple((event.number, None) for event in outgoing)
        progress = PublishProgress(settled, after, taken, flows)
        done = box.loop.pipeline.advance(arrivals, progress, NOW)
        outgoing = done.outgoing
        after = outgoing[-1].number if outgoing else max(after, done.dropped_to)
        found += [answer.start_ns for answer in done.answers]
    return found


@pytest.mark.parametrize("waiting", [1, 40])
def test_predictions_wait_while_the_broker_takes_them_more_slowly(home: Path, waiting: int) -> None:
    box = opened(home, waiting)
    assert predicted_by(box, flows=True, taken=5) == WINDOWS
    counts = box.loop.pipeline.counts().events
    assert (counts.published, counts.dropped) == (len(WINDOWS), {})


def test_no_prediction_waits_for_a_broker_that_takes_none(home: Path) -> None:
    box = opened(home, 40)
    assert predicted_by(box, flows=False, taken=0) == WINDOWS
    assert box.loop.pipeline.counts().events.dropped == {"full": len(WINDOWS) - 40}
