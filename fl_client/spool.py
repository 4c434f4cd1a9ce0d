"""The spool: what sensors sent and no window has used up yet, safe from any crash.

A message is acknowledged to the broker when the spool has committed it. Each append is one
transaction of the site's store: items, their identities and the counts together, so that at every
instant, also behind ``kill -9``, in messages:

    received = processed + waiting + lost

A row is *processed* when no window that is still open needs it; until then it waits here, so that
open windows are rebuilt by reading the waiting rows again. The spool is bounded by the bytes that
wait: ``on_full`` is "reject" (the newest is lost) or "drop_oldest", and either loss is counted. A
second item with the same sensor and id has no effect, as far back as ``remembered`` items.

One thread at a time may call it.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from fl_client.sensors import Annotation, Item, Malformed, Readings
from fl_client.store import transaction
from fl_common.errors import InvalidConfiguration

OnFull = Literal["reject", "drop_oldest"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, sensor TEXT, id TEXT NOT NULL,
    label TEXT, stamps INTEGER NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS spool_seen (key INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS spool_count (name TEXT PRIMARY KEY, value INTEGER NOT NULL)
    WITHOUT ROWID;
"""
"""``spool``: content is ``stamps`` int64 and the values as float32 behind them (readings), or two
int64 with a label (an annotation, whose sensor is null). ``spool_seen``: identities as 64 bits of
BLAKE2b; ``number`` is what ``received`` was. ``spool_count``: see ``Counts``."""

_Row = tuple[str | None, str, str | None, int, bytes]
_ROW_BYTES = 64  # what a row takes beside its content
_ASKED_AT_ONCE = 500
_LOST = "lost:"


class Arrival(NamedTuple):
    """An item as it came. ``surely_new``: its id tells repetitions only of a marked one."""

    item: Item
    surely_new: bool = False


class Appended(NamedTuple):
    """What became of a batch, in messages; ``lost`` by reason."""

    kept: int
    duplicates: int
    lost: Mapping[str, int]


@dataclass(frozen=True)
class Counts:
    """Messages since the store was made: ``received`` = ``processed`` + ``waiting`` + lost.

    ``lost`` by reason: ``full_rejected``, ``full_dropped``, ``late``, or ``malformed_`` and why.
    ``duplicates`` had no effect and are not part of ``received``.
    """

    received: int
    processed: int
    waiting: int
    waiting_bytes: int
    duplicates: int
    lost: Mapping[str, int]


class Spool:
    """The spool in the store behind ``connection``; at most ``limit_bytes`` wait.

    Raises:
        StoreError: here and in each method, when the store can't be read or written.
        StoreFull: its disk is full; nothing of the call was kept.
    """

    def __init__(
        self, connection: sqlite3.Connection, limit_bytes: int, on_full: OnFull, remembered: int
    ) -> None:
        _check(limit_bytes, on_full, remembered)
        self._connection = connection
        self._limit_bytes, self._on_full, self._remembered = limit_bytes, on_full, remembered
        self._read_to = 0
        self._forgotten_at = 0
        with transaction(connection):
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)

    def append(self, batch: Sequence[Arrival]) -> Appended:
        """Keep what is new of ``batch``; durable when this returns."""
        with transaction(self._connection):
            counts = self._values()
            fresh = self._unseen(batch)
            lost = Counter[str]()
            rows = []
            for _, item in fresh:
                if isinstance(item, Malformed):
                    lost[f"malformed_{item.reason}"] += 1
                else:
                    rows.append(_row(item))
            rows = self._fitting(rows, counts.get("waiting_bytes", 0), lost)
            self._insert(rows)
            self._remember((key for key, _ in fresh), counts.get("received", 0))
            duplicates = len(batch) - len(fresh)
            self._add({"received": len(fresh), "duplicates": duplicates})
            self._add({_LOST + reason: number for reason, number in lost.items()})
        return Appended(len(rows), duplicates, lost)

    def waiting(self, limit: int) -> list[tuple[int, Readings | Annotation]]:
        """The next rows in the order of arrival, at most ``limit``; each only once.

        A new ``Spool`` on the same store begins again with the oldest that is not done.
        """
        found = self._connection.execute(
            "SELECT sequence, sensor, id, label, stamps, content FROM spool WHERE sequence > ?"
            " ORDER BY sequence LIMIT ?",
            (self._read_to, limit),
        ).fetchall()
        if found:
            self._read_to = found[-1][0]
        return [(sequence, _item(*row)) for sequence, *row in found]

    def done(self, sequences: Iterable[int]) -> None:
        """No open window needs these rows any more: processed. Within the caller's transaction."""
        with transaction(self._connection):
            self._add({"processed": self._remove(sequences)})

    def lose(self, sequences: Iterable[int], reason: str) -> None:
        """These rows can't be used, for ``reason``, a word: lost. In the caller's transaction."""
        with transaction(self._connection):
            self._add({_LOST + reason: self._remove(sequences)})

    def counts(self) -> Counts:
        """What came, and what became of it."""
        values = self._values()
        lost = {
            name.removeprefix(_LOST): value
            for name, value in values.items()
            if name.startswith(_LOST)
        }
        return Counts(
            received=values.get("received", 0),
            processed=values.get("processed", 0),
            waiting=values.get("waiting", 0),
            waiting_bytes=values.get("waiting_bytes", 0),
            duplicates=values.get("duplicates", 0),
            lost=lost,
        )

    def _values(self) -> dict[str, int]:
        return dict(self._connection.execute("SELECT name, value FROM spool_count"))

    def _add(self, changes: Mapping[str, int]) -> None:
        self._connection.executemany(
            "INSERT INTO spool_count VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            [(name, change) for name, change in changes.items() if change],
        )

    def _unseen(self, batch: Sequence[Arrival]) -> list[tuple[int, Item]]:
        """The items that are new, with their keys, each once."""
        keys = [_key(arrival.item) for arrival in batch]
        asked = [key for key, arrival in zip(keys, batch, strict=True) if not arrival.surely_new]
        seen = set[int]()
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            part = asked[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(part))
            found = self._connection.execute(
                f"SELECT key FROM spool_seen WHERE key IN ({marks})", part
            )
            seen.update(key for (key,) in found)
        new = []
        for key, (item, surely_new) in zip(keys, batch, strict=True):
            if surely_new or key not in seen:
                seen.add(key)
                new.append((key, item))
        return new

    def _remember(self, fresh: Iterable[int], received: int) -> None:
        """Keep the identities of what came, and forget the oldest now and then."""
        rows = [(key, received + number) for number, key in enumerate(fresh)]
        self._connection.executemany("INSERT OR REPLACE INTO spool_seen VALUES (?, ?)", rows)
        if received - self._forgotten_at >= self._remembered // 10:
            self._connection.execute(
                "DELETE FROM spool_seen WHERE number < ?", (received - self._remembered,)
            )
            self._forgotten_at = received

    def _fitting(self, rows: list[_Row], used: int, lost: Counter[str]) -> list[_Row]:
        """The rows that may be kept; under "drop_oldest" room is made for them."""
        if self._on_full == "reject":
            kept = _within(rows, self._limit_bytes - used)
            lost["full_rejected"] += len(rows) - len(kept)
            return kept
        kept = _within(rows[::-1], self._limit_bytes)[::-1]
        lost["full_dropped"] += len(rows) - len(kept)
        missing = used + sum(map(_size, kept)) - self._limit_bytes
        if missing > 0:
            lost["full_dropped"] += self._drop_oldest(missing)
        return kept

    def _drop_oldest(self, needed: int) -> int:
        """Make at least ``needed`` bytes free; how many rows that took."""
        dropped, freed = [], 0
        oldest = self._connection.execute(
            "SELECT sequence, length(content) FROM spool ORDER BY sequence"
        )
        for sequence, size in oldest:
            dropped.append(sequence)
            freed += size + _ROW_BYTES
            if freed >= needed:
                break
        oldest.close()
        return self._remove(dropped)

    def _insert(self, rows: Sequence[_Row]) -> None:
        self._connection.executemany(
            "INSERT INTO spool (sensor, id, label, stamps, content) VALUES (?, ?, ?, ?, ?)", rows
        )
        self._add({"waiting": len(rows), "waiting_bytes": sum(_size(row) for row in rows)})

    def _remove(self, sequences: Iterable[int]) -> int:
        """Delete rows; how many were still there."""
        removed = freed = 0
        for sequence in sequences:
            row = self._connection.execute(
                "DELETE FROM spool WHERE sequence = ? RETURNING length(content)", (sequence,)
            ).fetchone()
            if row is not None:
                removed += 1
                freed += row[0] + _ROW_BYTES
        self._add({"waiting": -removed, "waiting_bytes": -freed})
        return removed


def _row(item: Readings | Annotation) -> _Row:
    if isinstance(item, Annotation):
        content = np.array([item.from_ns, item.to_ns], "<i8").tobytes()
        return None, item.id, item.label, 2, content
    times, values = np.asarray(item.times_N, "<i8"), np.asarray(item.values_NC, "<f4")
    return item.sensor, item.id, None, len(times), times.tobytes() + values.tobytes()


def _item(
    sensor: str | None, id_: str, label: str | None, stamps: int, content: bytes
) -> Readings | Annotation:
    times = np.frombuffer(content, "<i8", stamps)
    if sensor is None:
        return Annotation(id_, int(times[0]), int(times[1]), label or "")
    values = np.frombuffer(content, "<f4", offset=times.nbytes)
    return Readings(sensor, id_, times, values.reshape(stamps, -1))


def _size(row: _Row) -> int:
    return len(row[-1]) + _ROW_BYTES


def _within(rows: Sequence[_Row], free: int) -> list[_Row]:
    """The first rows that fit into ``free`` bytes."""
    kept = []
    for row in rows:
        if _size(row) <= free:
            free -= _size(row)
            kept.append(row)
    return kept


def _key(item: Item) -> int:
    """64 bits that tell the item from any other: two of a million differ but for one in 10^7."""
    source = item.sensor if isinstance(item, Readings) else type(item).__name__
    named = f"{source}\0{item.id}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(named, digest_size=8, person=b"spool").digest()
    return int.from_bytes(digest, "little", signed=True)


def _check(limit_bytes: int, on_full: str, remembered: int) -> None:
    rules = (
        ("limit_bytes", limit_bytes, limit_bytes >= 1, "must be at least 1"),
        ("on_full", on_full, on_full in get_args(OnFull), "must be reject or drop_oldest"),
        ("remembered", remembered, remembered >= 1, "must be at least 1"),
    )
    for name, value, holds, rule in rules:
        if not holds:
            remedy = f"Set spool.{name} to such a value"
            raise InvalidConfiguration(f"spool.{name}={value}", rule, remedy)
