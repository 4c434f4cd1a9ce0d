"""Events in the store: what waits, what is dropped and counted, and what is handed over."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from fl_client.store.database import open_store, transaction
from fl_client.store.outbox import EventCounts, NewEvent, StoredEvents
from fl_common.errors import InvalidConfiguration
from fl_common.wire.cloud_events import JSON, CloudEvent


def event(number: int, text: str = "", function: str | None = None) -> NewEvent:
    data = {"n": number, "text": text}
    one = CloudEvent(f"e{number}", "urn:box", "t", datacontenttype=JSON, data=data)
    return NewEvent("events/box", one, function)


def events(first: int, last: int, function: str | None = None) -> list[NewEvent]:
    return [event(number, function=function) for number in range(first, last)]


def outbox(connection: sqlite3.Connection, limit: int = 100) -> StoredEvents:
    return StoredEvents(connection, limit, has_broker=True)


def ids(stored: StoredEvents, after: int = 0, limit: int = 1000) -> list[str]:
    return [waiting.event.id for waiting in stored.after(after, limit)]


def balanced(connection: sqlite3.Connection, counts: EventCounts) -> bool:
    (rows,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    in_all = counts.published + counts.waiting + sum(counts.dropped.values())
    return bool(counts.waiting == rows and counts.made == in_all)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_store(tmp_path / "site.sqlite")) as connection:
        yield connection


def test_events_are_handed_over_in_order_whether_they_are_read_again_or_not(
    store: sqlite3.Connection,
) -> None:
    stored = outbox(store)
    stored.put(events(0, 3))
    fresh = stored.after(0, 10)
    assert [waiting.event.id for waiting in fresh] == ["e0", "e1", "e2"]
    assert outbox(store).after(0, 10) == fresh
    stored.put(events(3, 5))
    assert ids(stored, after=1, limit=3) == ["e1", "e2", "e3"]
    assert ids(stored, after=3) == ["e3", "e4"]
    assert ids(stored, after=5) == []
    assert ids(stored, limit=0) == []


def test_what_the_broker_has_is_removed_and_counted_once(store: sqlite3.Connection) -> None:
    stored = outbox(store)
    stored.put(events(0, 4))
    stored.settle([(1, None), (2, None)])
    stored.settle([(2, None)])
    assert ids(outbox(store)) == ["e2", "e3"]
    assert stored.counts() == EventCounts(4, 2, 2, {})
    assert balanced(store, stored.counts())


def test_what_the_broker_refused_is_dropped_for_its_reason(store: sqlite3.Connection) -> None:
    stored = outbox(store)
    stored.put(events(0, 4))
    stored.settle([(1, "not_authorized"), (2, None), (3, "not_authorized")])
    assert ids(stored) == ["e0", "e1", "e2", "e3"][3:]
    assert stored.counts() == EventCounts(4, 1, 1, {"not_authorized": 2})
    assert balanced(store, stored.counts())


def test_a_number_is_never_used_twice(store: sqlite3.Connection) -> None:
    outbox(store).put(events(0, 2))
    outbox(store).settle([(1, None), (2, None)])
    outbox(store).put(events(2, 3))
    assert [waiting.number for waiting in outbox(store).after(0, 10)] == [3]


@pytest.mark.parametrize("together", [1, 4, 12])
def test_beyond_the_limit_the_oldest_are_dropped_and_counted(
    store: sqlite3.Connection, together: int
) -> None:
    stored = outbox(store, limit=5)
    for first in range(0, 12, together):
        stored.put(events(first, first + together))
    assert ids(stored) == ids(outbox(store)) == ["e7", "e8", "e9", "e10", "e11"]
    assert stored.dropped_to == 7
    assert stored.counts() == EventCounts(12, 0, 5, {"full": 7})
    stored.settle([(7, None), (8, None)])
    assert balanced(store, stored.counts())


def test_no_prediction_is_dropped_for_what_a_function_tells(store: sqlite3.Connection) -> None:
    stored = outbox(store, limit=5)
    stored.put(events(0, 5))
    for first in range(5, 45, 10):
        stored.put(events(first, first + 10, "flood"))
    stored.put(events(45, 46, "rare"))
    kept = [f"e{number}" for number in (*range(10), 45)]
    assert ids(stored) == ids(outbox(store)) == kept
    assert stored.counts() == EventCounts(46, 0, 11, {"function": 35})
    assert stored.room() == 0
    stored.settle([(number, None) for number in range(1, 6)])
    assert stored.room() == 5, "what a function tells holds up no prediction"
    stored.settle([(6, None)])
    stored.put(events(46, 48, "flood"))
    assert [name for name in ids(stored) if name in ("e46", "e47")] == ["e46"]
    stored.put(events(48, 54))
    assert ids(stored) == ["e49", "e50", "e51", "e52", "e53"]
    assert balanced(store, stored.counts())


def test_an_event_that_a_broker_may_refuse_for_its_size_blocks_no_other(
    store: sqlite3.Connection,
) -> None:
    stored = outbox(store)
    stored.put([event(0), event(1, "x" * 70_000), event(2)])
    assert ids(stored) == ids(outbox(store)) == ["e0", "e2"]
    assert stored.counts() == EventCounts(3, 0, 2, {"size": 1})


def test_without_a_broker_events_are_counted_and_none_waits(store: sqlite3.Connection) -> None:
    stored = StoredEvents(store, 100, has_broker=False)
    stored.put(events(0, 3))
    assert ids(stored) == []
    assert stored.counts() == EventCounts(3, 0, 0, {"no_broker": 3})


def test_what_a_failed_transaction_put_is_nowhere(store: sqlite3.Connection) -> None:
    stored = outbox(store)
    with suppress(ZeroDivisionError), transaction(store):
        stored.put(events(0, 3))
        raise ZeroDivisionError
    assert ids(outbox(store)) == []
    assert outbox(store).counts() == EventCounts(0, 0, 0, {})


def test_a_limit_below_one_is_refused(store: sqlite3.Connection) -> None:
    with pytest.raises(InvalidConfiguration, match=r"events\.waiting=0"):
        outbox(store, limit=0)
