"""Counts of the events that a site made, kept in its store."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

DROPPED = "dropped:"
"""The prefix of the name of a count of dropped events; the reason follows."""


@dataclass(frozen=True)
class EventCounts:
    """Events since the store was made: ``made`` = ``published`` + ``waiting`` + dropped.

    ``dropped`` by reason: ``full``, ``size``, ``no_broker``, or the broker's word for its refusal.
    """

    made: int
    published: int
    waiting: int
    dropped: Mapping[str, int]


def counts_of(connection: sqlite3.Connection) -> EventCounts:
    """The counts of the events in a store, for readers that don't write, too."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    values = values_of(connection) if "outbox_count" in tables else {}  # none: no node ran yet
    dropped = {
        name.removeprefix(DROPPED): value
        for name, value in values.items()
        if name.startswith(DROPPED)
    }
    made, published, waiting = (values.get(name, 0) for name in ("made", "published", "waiting"))
    return EventCounts(made, published, waiting, dropped)


def values_of(connection: sqlite3.Connection) -> dict[str, int]:
    """The counts by name, as they are stored."""
    return dict(connection.execute("SELECT name, value FROM outbox_count"))
