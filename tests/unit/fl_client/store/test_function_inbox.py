"""Windows that wait for functions, and letters: each is counted, and none outlives its windows."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fl_client.store.database import open_store
from fl_client.store.function_inbox import (
    MOST_LETTERS,
    FunctionInbox,
    InboxCounts,
    drop_letters,
    letters_in,
    retry_letters,
)
from fl_common.functions import Predicted
from fl_common.functions.events import Happening


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_store(tmp_path / "site.sqlite")) as connection:
        yield connection


def window(number: int) -> Predicted:
    return Predicted(number, number + 1, ("rest", "walk"), (0.9, 0.1), "hall")


def balanced(inbox: FunctionInbox) -> InboxCounts:
    found = inbox.counts()
    assert found.put == found.done + found.waiting + sum(found.dropped.values())
    return found


def test_windows_come_back_as_they_were_and_are_done_once(store: sqlite3.Connection) -> None:
    inbox = FunctionInbox(store, 10)
    inbox.put([window(1), window(2), window(3)])
    waiting = inbox.after(0, 2)
    assert [one.event for one in waiting] == [window(1), window(2)]
    inbox.done([one.number for one in waiting], [])
    inbox.done([one.number for one in waiting], [])
    assert [one.event for one in inbox.after(0, 9)] == [window(3)]
    assert balanced(inbox) == InboxCounts(3, 2, 1, {}, {})


def test_beyond_the_limit_the_oldest_are_dropped(store: sqlite3.Connection) -> None:
    inbox = FunctionInbox(store, 2)
    inbox.put([window(1), window(2), window(3)])
    assert [one.event for one in inbox.after(0, 9)] == [window(2), window(3)]
    assert balanced(inbox).dropped == {"full": 1}


def test_what_functions_find_for_each_other_pushes_out_no_prediction(
    store: sqlite3.Connection,
) -> None:
    inbox = FunctionInbox(store, 10)
    inbox.put([window(1), window(2)])
    flood = [Happening(1, 2, "loud", "noise", "{}")] * 1000
    for _ in range(3):
        inbox.put_found(flood)
    inbox.put([window(3), window(4)])
    shown = [one.event for one in inbox.after(0, 99)]
    assert [event for event in shown if isinstance(event, Predicted)] == list(
        map(window, range(1, 5))
    )
    assert len(shown) == 7
    assert balanced(inbox).dropped == {"chain": 2997}


def test_what_nobody_asks_for_is_dropped_but_for_what_one_is_to_see_again(
    store: sqlite3.Connection,
) -> None:
    inbox = FunctionInbox(store, 10)
    inbox.put([window(1)])
    inbox.done([1], [("alarm", "it raised", window(1))])
    inbox.put([window(2)])
    assert retry_letters(store, "alarm") == 1
    inbox.drop_unasked()
    (left,) = inbox.after(0, 9)
    assert (left.only, left.event) == ("alarm", window(1))
    assert balanced(inbox).dropped == {"no_function": 1}


def test_neither_windows_nor_letters_outlive_the_windows_of_the_site(
    store: sqlite3.Connection,
) -> None:
    inbox = FunctionInbox(store, 10)
    inbox.put([window(1), window(5)])
    inbox.done([], [("alarm", "it raised", window(2)), ("alarm", "it raised", window(6))])
    inbox.retain(4)
    assert [one.event for one in inbox.after(0, 9)] == [window(5)]
    assert [one.event for one in letters_in(store)] == [window(6)]
    assert inbox.counts().letters_dropped == {"old": 1}
    assert balanced(inbox).dropped == {"old": 1}


def test_letters_are_listed_and_thrown_away_by_function(store: sqlite3.Connection) -> None:
    inbox = FunctionInbox(store, 10)
    inbox.done([], [("alarm", "it raised", window(1)), ("steps", "it ended", window(1))])
    kept = [(one.name, one.reason) for one in letters_in(store)]
    assert kept == [("alarm", "it raised"), ("steps", "it ended")]
    assert drop_letters(store, "alarm") == 1
    assert [one.name for one in letters_in(store)] == ["steps"]
    assert inbox.counts().letters == {"steps": 1}


def test_the_newest_letters_are_kept_within_both_limits(store: sqlite3.Connection) -> None:
    inbox = FunctionInbox(store, 10)
    inbox.done([], [("alarm", "it raised", window(n)) for n in range(MOST_LETTERS + 3)])
    kept = letters_in(store)
    assert [kept[0].event, kept[-1].event] == [window(3), window(MOST_LETTERS + 2)]
    inbox.done([], [("alarm", "x" * (10 << 20), window(n)) for n in range(2)])
    assert [one.event for one in letters_in(store)] == [window(1)]


def test_a_store_of_before_has_no_letters(store: sqlite3.Connection) -> None:
    assert letters_in(store) == []
    assert (retry_letters(store, "alarm"), drop_letters(store, "alarm")) == (0, 0)
