"""Which messages are repetitions: those that are equal, and no other, through intake and spool."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from paho.mqtt.client import topic_matches_sub

from fl_client.sensors import Decoder
from fl_client.sensors.decoders.json import JsonDecoder
from fl_client.sensors.decoders.senml import SenmlDecoder
from fl_client.sensors.intake import AnnotationTopic, Intake, Source
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports import Delivery
from fl_client.store.database import open_store
from fl_client.store.spool import Spool
from fl_client.store.spool_identities import Appended
from fl_common.vocabulary import Task
from tests.support.edge import NOW

SECOND = NOW // 10**9
CHANNELS = ("a", "b", "c", "d", "e", "f")
TASK = Task("t", CHANNELS, ("g",) * 6, 50.0, (4, 6), ("x", "y"), (0.0,) * 6, (1.0,) * 6, 1)


class Box:
    """An intake with its spool; a message is delivered as a broker does."""

    def __init__(self, spool: Spool, decoder: Decoder) -> None:
        channels = [Channel(name, name, "g") for name in CHANNELS]
        sensor = Sensor("w", "s/+", decoder, channels, TASK, 2)
        sources: list[Source] = [AnnotationTopic("labels", "s"), sensor]
        self.spool, self._number = spool, 0
        self._intake = Intake(sources, topic_matches_sub, 10_000)

    def take(
        self,
        payloads: Sequence[object],
        topic: str = "s/1",
        *,
        again: bool = False,
        retained: bool = False,
    ) -> Appended:
        """Take messages that came together; ``again``: with the numbers of the last ones."""
        first = self._number - len(payloads) if again else self._number
        self._number = first + len(payloads)
        batch = [
            Delivery(topic, json.dumps(body).encode(), str(first + n), again, retained=retained)
            for n, body in enumerate(payloads)
        ]
        return self.spool.append(self._intake.arrivals(batch, NOW))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(open_store(tmp_path / "site.sqlite")) as connection:
        yield Spool(connection, 10**9, "reject", 100_000)


OF_ONE_INSTANT = [{"t": SECOND, name: 1.5} for name in CHANNELS]
SENML_OF_ONE_INSTANT = [[{"n": name, "v": 1.5, "t": 1.699e9}] for name in CHANNELS]
FOUR_HERTZ = [{"t": SECOND - 9 + n // 4, "a": n} for n in range(40)]
WRAPS = [{"t": SECOND - 900 + n / 4, "id": n % 256, "a": n} for n in range(2000)]
REBOOTS = [{"t": SECOND - 900 + n / 4, "id": n % 300, "a": n % 7} for n in range(2000)]


@pytest.mark.parametrize(
    ("decoder", "payloads", "reused"),
    [
        (JsonDecoder("t", "s", None), OF_ONE_INSTANT, 0),
        (SenmlDecoder("json"), SENML_OF_ONE_INSTANT, 0),
        (JsonDecoder("t", "s", None), FOUR_HERTZ, 0),
        (JsonDecoder("t", "s", "id"), WRAPS, 2000 - 256),
        (JsonDecoder("t", "s", "id"), REBOOTS, 2000 - 300),
    ],
    ids=["one instant", "SenML of one instant", "4 Hz in seconds", "id wraps", "id begins anew"],
)
@pytest.mark.parametrize("together", [True, False])
def test_messages_that_differ_are_all_kept_and_each_repetition_is_one(
    spool: Spool, decoder: Decoder, payloads: list[object], reused: int, together: bool
) -> None:
    box = Box(spool, decoder)
    batches = [payloads] if together else [payloads[n : n + 7] for n in range(0, len(payloads), 7)]
    for batch in batches:
        assert box.take(batch)[:2] == (len(batch), 0)
    for batch in batches:
        assert box.take(batch)[:2] == (0, len(batch))
    assert box.take(payloads, "s/2")[:2] == (len(payloads), 0)
    counts = spool.counts()
    assert (counts.received, counts.duplicates) == (2 * len(payloads), len(payloads))
    assert (counts.lost, counts.reused_ids) == ({}, 2 * reused)


def test_an_id_without_a_time_of_the_sensor_is_no_identity(spool: Spool) -> None:
    """A door that says its state with a counter that wraps: all are kept but a real repetition."""
    box = Box(spool, JsonDecoder("arrival", None, "id"))
    payloads = [{"id": n % 256, "a": 1} for n in range(600)]
    assert box.take(payloads)[:2] == (600, 0)
    assert box.take(payloads[-20:], again=True)[:2] == (0, 20)
    assert box.take(payloads[-20:])[:2] == (20, 0)
    assert spool.counts().reused_ids == 600 - 256 + 20


def test_annotations_of_one_id_and_other_content_are_all_kept(spool: Spool) -> None:
    box = Box(spool, JsonDecoder("t", "s", None))
    found = [{"from": SECOND - n - 1, "to": SECOND - n, "label": "x", "id": n % 4}
             for n in range(12)]  # fmt: skip
    found = [{**one, "id": str(one["id"])} for one in found]
    appended = box.take(found, "labels")
    assert appended[:2] == (12, 0)
    assert appended.reused_ids == {"annotations": 8}
    assert box.take(found, "labels")[:2] == (0, 12)


def test_a_kept_message_of_the_broker_is_no_new_reading_at_each_connection(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(spool, SenmlDecoder("json"))
    old = [[{"n": "a", "v": 1.5}]]
    assert box.take(old).kept == 1
    for _ in range(3):
        box.take(old, retained=True)
    counts = spool.counts()
    assert (counts.waiting, counts.lost, counts.duplicates) == (1, {"malformed_retained": 1}, 2)
    assert "nobody knows how old it is" in caplog.text


def test_a_kept_message_with_its_own_time_is_taken_once(spool: Spool) -> None:
    box = Box(spool, JsonDecoder("t", "s", None))
    kept = [{"t": SECOND, "a": 1}]
    assert box.take(kept, retained=True).kept == 1
    assert box.take(kept, retained=True).duplicates == 1
    assert box.take(kept).duplicates == 1
