"""Counts of the messages that a site received, kept in its store."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

LOST = "lost:"
"""The prefix of the name of a count of lost messages; the reason follows."""


@dataclass(frozen=True)
class SpoolCounts:
    """Messages since the store was made: ``received`` = ``processed`` + ``waiting`` + lost.

    ``lost`` by reason: ``full_rejected``, ``full_dropped``, ``late``, ``ahead``, ``clock``, or
    ``malformed_`` and a word. ``duplicates`` had no effect and are not part of ``received``.
    """

    received: int
    processed: int
    waiting: int
    waiting_bytes: int
    duplicates: int
    lost: Mapping[str, int]
    reused_ids: int = 0
    """Messages with the id of another one and other content; they are kept."""


def counts_of(connection: sqlite3.Connection) -> SpoolCounts:
    """The counts of the spool in a store, for readers that don't write."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    values = values_of(connection) if "spool_count" in tables else {}  # none: no node ran yet
    return SpoolCounts(
        received=values.get("received", 0),
        processed=values.get("processed", 0),
        waiting=values.get("waiting", 0),
        waiting_bytes=values.get("waiting_bytes", 0),
        duplicates=values.get("duplicates", 0),
        lost={
            name.removeprefix(LOST): value
            for name, value in values.items()
            if name.startswith(LOST)
        },
        reused_ids=values.get("reused_ids", 0),
    )


def values_of(connection: sqlite3.Connection) -> dict[str, int]:
    """The counts by name, as they are stored."""
    return dict(connection.execute("SELECT name, value FROM spool_count"))
