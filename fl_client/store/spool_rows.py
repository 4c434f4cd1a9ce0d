"""How the spool writes an item to a row, reads it back, and identifies it."""

import hashlib
from collections.abc import Sequence

import numpy as np

from fl_client.sensors import Annotation, Item, Readings

Row = tuple[int, str | None, str, str | None, int, bytes, str]
"""Sequence, sensor (null: an annotation), id, label, stamps, content, stream."""

ROW_BYTES = 64
"""Bytes that a row counts for in addition to its content."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, sensor TEXT, id TEXT NOT NULL,
    label TEXT, stamps INTEGER NOT NULL, content BLOB NOT NULL,
    stream TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS spool_seen (key INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS spool_count (name TEXT PRIMARY KEY, value INTEGER NOT NULL)
    WITHOUT ROWID;
"""
"""``spool``: content is ``stamps`` int64 and the values as float32 after them (readings), or two
int64 with a label (an annotation, whose sensor is null). ``spool_seen``: identities as 64 bits of
BLAKE2b; ``number`` is what ``received`` was. ``spool_count``: see ``SpoolCounts``."""


def row_of(sequence: int, item: Readings | Annotation) -> Row:
    """The item as a row."""
    if isinstance(item, Annotation):
        content = np.array([item.from_ns, item.to_ns], "<i8").tobytes()
        return sequence, None, item.id, item.label, 2, content, item.stream
    times, values = np.asarray(item.times_N, "<i8"), np.asarray(item.values_NC, "<f4")
    content = times.tobytes() + values.tobytes()
    return sequence, item.sensor, item.id, None, len(times), content, item.stream


def item_of(row: Row) -> Readings | Annotation:
    """The item in a row."""
    _, sensor, id_, label, stamps, content, stream = row
    times = np.frombuffer(content, "<i8", stamps)
    if sensor is None:
        return Annotation(id_, int(times[0]), int(times[1]), label or "", stream)
    values = np.frombuffer(content, "<f4", offset=times.nbytes)
    return Readings(sensor, id_, times, values.reshape(stamps, -1), stream=stream)


def size_of(row: Row) -> int:
    """The bytes that the row counts for."""
    return len(row[5]) + ROW_BYTES


def key_of(item: Item, name: str | None = None) -> int:
    """64 bits that identify the item: two among a million collide with a chance of one in 10^7.

    With ``name``, they identify this name of an item of its source.
    """
    source = item.sensor if isinstance(item, Readings) else type(item).__name__
    if isinstance(item, Annotation) and item.stream:
        source = f"{source}\0{item.stream}"  # a reading's id has its topic
    named = f"{source}\0{item.id if name is None else name}".encode("utf-8", "surrogatepass")
    person = b"spool" if name is None else b"spool name"
    digest = hashlib.blake2b(named, digest_size=8, person=person).digest()
    return int.from_bytes(digest, "little", signed=True)


def within(rows: Sequence[Row], free: int) -> list[Row]:
    """The first rows that fit into ``free`` bytes."""
    kept = []
    for row in rows:
        if size_of(row) <= free:
            free -= size_of(row)
            kept.append(row)
    return kept
