"""The spool in one process: what is kept, counted, dropped, and read again."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from fl_client.sensors import Annotation, Malformed, Readings
from fl_client.store.database import open_store, transaction
from fl_client.store.spool import OnFull, Spool
from fl_client.store.spool_counts import SpoolCounts, counts_of
from fl_client.store.spool_identities import Arrival
from fl_common.errors import InvalidConfiguration, StoreError

PLENTY = 10**9
SIZE = 64 + 8 + 12  # of what `reading` gives, in the spool


def reading(number: int, sensor: str = "wrist") -> Arrival:
    values = np.array([[number, np.nan, -1.5]], np.float32)
    return Arrival(Readings(sensor, str(number), np.array([number]), values))


def spool(connection: sqlite3.Connection, limit: int = PLENTY, full: OnFull = "reject") -> Spool:
    return Spool(connection, limit_bytes=limit, on_full=full, remembered=1000)


def ids(spool: Spool) -> list[str]:
    return [item.id for _, item in spool.waiting(1000)]


def balanced(counts: SpoolCounts) -> bool:
    return counts.received == counts.processed + counts.waiting + sum(counts.lost.values())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_store(tmp_path / "site.sqlite")) as connection:
        yield connection


def test_items_come_back_in_order_as_they_were(store: sqlite3.Connection) -> None:
    times = np.array([2**62, -5], np.int64)
    sent = Readings("wrist", "a", times, np.array([[1, np.nan], [3, 4]], np.float32))
    label = Annotation("b", 3, 9, "WALKING")
    spool(store).append([Arrival(sent), Arrival(label)])
    (_, first), (_, second) = spool(store).waiting(10)
    assert isinstance(first, Readings)
    assert (first.sensor, first.id, second) == ("wrist", "a", label)
    np.testing.assert_array_equal(first.times_N, times)
    np.testing.assert_array_equal(first.values_NC, sent.values_NC)


def test_a_repetition_has_one_effect_in_a_batch_later_and_when_done(
    store: sqlite3.Connection,
) -> None:
    kept = spool(store)
    assert kept.append([reading(1), reading(1), reading(2)])[:2] == (2, 1)
    assert kept.append([reading(2), reading(3), reading(2, "chest")])[:2] == (2, 1)
    kept.done([sequence for sequence, _ in kept.waiting(10)])
    assert spool(store).append([reading(1)])[:2] == (0, 1)
    assert kept.counts() == SpoolCounts(4, 4, 0, 0, 3, {})


def test_rows_that_are_put_back_are_returned_again_in_order(store: sqlite3.Connection) -> None:
    kept = spool(store)
    kept.append([reading(number) for number in range(3)])
    (first, _), *_ = kept.waiting(2)
    kept.put_back(first)
    kept.append([reading(3)])
    assert ids(kept) == ["0", "1", "2", "3"]
    kept.append([reading(4)])
    assert ids(kept) == ["4"]


def test_identities_are_forgotten_behind_the_newest_remembered(store: sqlite3.Connection) -> None:
    kept = Spool(store, PLENTY, "reject", remembered=10)
    for number in range(40):
        kept.append([reading(number)])
    assert kept.append([reading(35)]).duplicates == 1
    assert kept.append([reading(0)]).kept == 1
    (remembered,) = store.execute("SELECT count(*) FROM spool_seen").fetchone()
    assert remembered <= 13


def test_what_is_surely_new_is_never_a_repetition_but_its_repetition_is_one(
    store: sqlite3.Connection,
) -> None:
    bad = Malformed("7:abc", "json")
    kept = spool(store)
    kept.append([Arrival(bad, surely_new=True)] * 2)
    kept.append([Arrival(bad, surely_new=True)])
    assert kept.append([Arrival(bad)]).duplicates == 1
    assert kept.counts() == SpoolCounts(3, 0, 0, 0, 1, {"malformed_json": 3})


@pytest.mark.parametrize(
    ("full", "left"), [("reject", ["0", "1", "2"]), ("drop_oldest", ["4", "5", "6"])]
)
def test_a_full_spool_loses_what_its_policy_says_and_counts_it(
    store: sqlite3.Connection, full: OnFull, left: list[str]
) -> None:
    kept = spool(store, 3 * SIZE, full)
    kept.append([reading(0)])
    kept.append([reading(number) for number in range(1, 7)])
    counts = kept.counts()
    assert ids(kept) == left
    assert balanced(counts)
    reason = "full_rejected" if full == "reject" else "full_dropped"
    assert (counts.waiting_bytes, counts.lost) == (3 * SIZE, {reason: 4})


def test_what_a_full_spool_refused_is_told_and_may_come_again(store: sqlite3.Connection) -> None:
    kept = spool(store, 3 * SIZE)
    batch = [reading(number) for number in (0, 1, 2, 3, 3)]
    assert kept.append(batch).refused == {3, 4}
    kept.done([sequence for sequence, _ in kept.waiting(10)])
    assert kept.append(batch).refused == frozenset()
    assert ids(kept) == ["3"]
    assert kept.counts() == SpoolCounts(5, 3, 1, SIZE, 5, {"full_rejected": 1})


def test_a_reading_larger_than_the_spool_does_not_empty_it_for_nothing(
    store: sqlite3.Connection,
) -> None:
    kept = spool(store, 3 * SIZE, "drop_oldest")
    kept.append([reading(0)])
    huge = Readings("wrist", "huge", np.arange(99), np.zeros((99, 3), np.float32))
    kept.append([Arrival(huge)])
    assert kept.counts().lost == {"full_dropped": 1}
    assert ids(kept) == ["0"]


def test_a_row_that_was_dropped_meanwhile_is_not_processed_too(store: sqlite3.Connection) -> None:
    kept = spool(store, SIZE, "drop_oldest")
    kept.append([reading(0)])
    taken = [sequence for sequence, _ in kept.waiting(10)]
    kept.append([reading(1)])
    kept.done(taken)
    assert kept.counts() == SpoolCounts(2, 0, 1, SIZE, 0, {"full_dropped": 1})
    assert ids(kept) == ["1"]


def test_each_row_is_handed_out_once_and_again_by_the_next_process(
    store: sqlite3.Connection,
) -> None:
    kept = spool(store)
    kept.append([reading(number) for number in range(5)])
    assert [item.id for _, item in kept.waiting(2)] == ["0", "1"]
    assert ids(kept) == ["2", "3", "4"]
    assert ids(kept) == []
    assert len(ids(spool(store))) == 5


def test_done_and_late_belong_to_the_callers_transaction(store: sqlite3.Connection) -> None:
    kept = spool(store)
    kept.append([reading(number) for number in range(4)])
    taken = [sequence for sequence, _ in kept.waiting(10)]
    with suppress(ZeroDivisionError), transaction(store):
        kept.done(taken)
        raise ZeroDivisionError
    assert kept.counts() == SpoolCounts(4, 0, 4, 4 * SIZE, 0, {})
    with transaction(store):
        kept.done(taken[:3])
        kept.lose(taken[3:], "late")
    assert kept.counts() == SpoolCounts(4, 3, 0, 0, 0, {"late": 1})


@pytest.mark.parametrize("full", ["reject", "drop_oldest"])
def test_reading_at_any_pace_gives_each_row_once_in_order(
    store: sqlite3.Connection, full: OnFull, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are handed over in memory, and those that had to be read again, are as one."""
    monkeypatch.setattr("fl_client.store.spool._HANDED_OVER", 10 * SIZE)
    kept = spool(store, 20 * SIZE, full)
    chance, number, found = random.Random(2), 0, list[str]()
    for _ in range(100):
        batch = chance.randrange(15)
        kept.append([reading(number + step) for step in range(batch)])
        number += batch
        rows = kept.waiting(chance.randrange(1, 25))
        for _, item in rows:
            assert isinstance(item, Readings)
            assert item.times_N.tolist() == [int(item.id)]
        found += [item.id for _, item in rows]
        kept.done([sequence for sequence, _ in rows])
    found += ids(kept)
    lost = kept.counts().lost
    assert balanced(kept.counts())
    assert sum(lost.values()) == number - len(found)
    assert found == sorted(set(found), key=int)
    assert lost


def test_the_counts_can_be_looked_at_without_a_spool(store: sqlite3.Connection) -> None:
    spool(store).append([reading(1)])
    assert counts_of(store) == SpoolCounts(1, 0, 1, SIZE, 0, {})


@pytest.mark.parametrize(
    "changes", [{"limit_bytes": 0}, {"on_full": "grow"}, {"remembered": 0}], ids=str
)
def test_a_value_outside_its_range_is_refused(
    store: sqlite3.Connection, changes: dict[str, object]
) -> None:
    options = {"limit_bytes": 1, "on_full": "reject", "remembered": 1, **changes}
    with pytest.raises(InvalidConfiguration, match=f"spool.{next(iter(changes))}="):
        Spool(store, **options)  # type: ignore[arg-type]


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.sqlite"
    with closing(open_store(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="schema version 99"):
        open_store(path)


def test_a_foreign_a_cut_and_an_unreachable_file_are_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError, match="is not a site's store"):
        open_store(tmp_path / "other.sqlite")
    (tmp_path / "text.sqlite").write_text("no database at all, but a text of some length" * 99)
    with pytest.raises(StoreError, match="is not a site's store"):
        open_store(tmp_path / "text.sqlite")
    with pytest.raises(StoreError, match="can't be opened"):
        open_store(tmp_path / "none" / "site.sqlite")
    path = tmp_path / "cut.sqlite"
    with closing(open_store(path)) as connection:
        spool(connection).append([reading(number) for number in range(2000)])
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(StoreError, match="is damaged"):
        open_store(path)
