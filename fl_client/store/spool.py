"""The spool: a crash-safe queue of sensors' messages that windows still need.

A message is acknowledged to its sender once the spool has committed it. Each append is one
transaction of the site's store, with items, their identities and the counts. So at any instant,
even after ``kill -9``, in messages:

    received = processed + waiting + lost

A row is *processed* when no open window needs it; until then it waits here, and open windows are
rebuilt from the waiting rows after a restart. The bytes that wait are bounded: ``on_full`` is
"reject" (the newest item is lost) or "drop_oldest", and both losses are counted. An item with the
sensor and id of one of the last ``remembered`` items is a duplicate and has no effect; one with the
sender's id of another and other content is kept and counted.

One thread at a time may call it.
"""

import sqlite3
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from fl_client.sensors import Annotation, Item, Malformed, Readings
from fl_client.store.database import transaction
from fl_client.store.spool_counts import LOST, SpoolCounts, counts_of, values_of
from fl_client.store.spool_identities import Appended, Arrival, Identities
from fl_client.store.spool_rows import (
    ROW_BYTES,
    SCHEMA,
    Row,
    item_of,
    row_of,
    size_of,
    within,
)
from fl_common.configuration.rules import one_of, require, whole

OnFull = Literal["reject", "drop_oldest"]

_KEYS_AT_ONCE = 500
_HANDED_OVER = 4 * 2**20  # bytes of rows that are kept in memory until they are read


class Spool:
    """The spool in the store of ``connection``; at most ``limit_bytes`` wait.

    Raises:
        StoreError: here and in each method, if the store can't be read or written.
        StoreFull: its disk is full; the call has written nothing.
    """

    def __init__(
        self, connection: sqlite3.Connection, limit_bytes: int, on_full: OnFull, remembered: int
    ) -> None:
        _check(limit_bytes, on_full, remembered)
        self._connection = connection
        self._limit_bytes, self._on_full, self._remembered = limit_bytes, on_full, remembered
        self._read_to = 0
        self._handed_over: deque[tuple[int, Readings | Annotation]] = deque()
        self._handed_over_bytes = 0
        self._caught_up = False  # all that waits is read or handed over
        self._identities = Identities(connection, remembered)
        with transaction(connection):
            for statement in SCHEMA.split(";"):
                connection.execute(statement)

    def append(self, batch: Sequence[Arrival]) -> Appended:
        """Store the new items of ``batch``; durable when this returns.

        Inside a caller's transaction they are durable when that ends. If it fails, make a new
        ``Spool``, since this one would hand out rows that do not exist.
        """
        with transaction(self._connection):
            counts = values_of(self._connection)
            looked = self._identities.look(batch)
            keys, lost = looked.keys, Counter[str]()
            items: dict[int, Readings | Annotation] = {}
            positions: dict[int, int] = {}  # of sequences in the batch
            sequence = self._last_sequence()
            for position in looked.fresh:
                item = batch[position].item
                if isinstance(item, Malformed):
                    lost[f"malformed_{item.reason}"] += 1
                else:
                    sequence += 1
                    items[sequence], positions[sequence] = item, position
            rows = [row_of(sequence, item) for sequence, item in items.items()]
            rows = self._fitting(rows, counts.get("waiting_bytes", 0), lost)
            self._insert(rows)
            without_room = positions.keys() - {row[0] for row in rows}
            refused = {keys[positions[sequence]] for sequence in without_room}
            kept = [p for p in looked.fresh if keys[p] not in refused]
            self._identities.remember(looked, kept, counts.get("received", 0))
            known = {*looked.reused}.intersection(kept)
            reused = Counter(_source_of(batch[p].item) for p in known)
            received, duplicates = len(looked.fresh), len(batch) - len(looked.fresh)
            self._add({"received": received, "duplicates": duplicates})
            self._add({LOST + reason: number for reason, number in lost.items()})
            self._add({"reused_ids": reused.total()})
        self._hand_over(rows, items)
        unkept = frozenset(p for p, key in enumerate(keys) if key in refused)
        return Appended(len(rows), duplicates, lost, unkept, reused)

    def waiting(self, limit: int) -> list[tuple[int, Readings | Annotation]]:
        """The next rows in the order of arrival, at most ``limit``; each is returned once.

        A new ``Spool`` on the same store starts again with the oldest row that is not done.
        """
        if not self._handed_over:
            return self._read(limit)
        found = [self._handed_over.popleft() for _ in range(min(limit, len(self._handed_over)))]
        if not self._handed_over:
            self._handed_over_bytes = 0
        self._read_to = found[-1][0]
        return found

    def put_back(self, first: int | None = None) -> None:
        """Let the next ``waiting`` read the store from the sequence ``first`` on.

        None: from where it would go on, as the rows there have changed.
        """
        self._handed_over.clear()
        self._handed_over_bytes = 0
        self._read_to, self._caught_up = self._read_to if first is None else first - 1, False

    def _read(self, limit: int) -> list[tuple[int, Readings | Annotation]]:
        found = self._connection.execute(
            "SELECT sequence, sensor, id, label, stamps, content, stream FROM spool"
            " WHERE sequence > ? ORDER BY sequence LIMIT ?",
            (self._read_to, limit),
        ).fetchall()
        if found:
            self._read_to = found[-1][0]
        self._caught_up, self._handed_over_bytes = len(found) < limit, 0
        return [(row[0], item_of(row)) for row in found]

    def _hand_over(self, rows: Sequence[Row], items: Mapping[int, Readings | Annotation]) -> None:
        """Pass rows to the next ``waiting`` in memory, if it has read all earlier ones."""
        self._handed_over_bytes += sum(map(size_of, rows))
        self._caught_up &= self._handed_over_bytes <= _HANDED_OVER
        if self._caught_up:
            self._handed_over.extend((row[0], items[row[0]]) for row in rows)

    def _last_sequence(self) -> int:
        """The highest sequence number ever given to a row."""
        found = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'spool'")
        (sequence,) = found.fetchone() or (0,)
        return int(sequence)

    def done(self, sequences: Iterable[int]) -> None:
        """Mark rows as processed: no open window needs them. In the caller's transaction."""
        with transaction(self._connection):
            self._add({"processed": self._remove(sequences)})

    def lose(self, sequences: Iterable[int], reason: str) -> None:
        """Mark rows as lost for ``reason``, a word. In the caller's transaction."""
        with transaction(self._connection):
            self._add({LOST + reason: self._remove(sequences)})

    def counts(self) -> SpoolCounts:
        """Counts of the messages that came, by what became of them."""
        return counts_of(self._connection)

    def _add(self, changes: Mapping[str, int]) -> None:
        self._connection.executemany(
            "INSERT INTO spool_count VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            [(name, change) for name, change in changes.items() if change],
        )

    def _fitting(self, rows: list[Row], used: int, lost: Counter[str]) -> list[Row]:
        """The rows that fit; under "drop_oldest" room is made for them."""
        if self._on_full == "reject":
            kept = within(rows, self._limit_bytes - used)
            lost["full_rejected"] += len(rows) - len(kept)
            return kept
        kept = within(rows[::-1], self._limit_bytes)[::-1]
        lost["full_dropped"] += len(rows) - len(kept)
        missing = used + sum(map(size_of, kept)) - self._limit_bytes
        if missing > 0:
            lost["full_dropped"] += self._drop_oldest(missing)
        return kept

    def _drop_oldest(self, needed: int) -> int:
        """Free at least ``needed`` bytes; the number of rows dropped."""
        dropped, freed = [], 0
        oldest = self._connection.execute(
            "SELECT sequence, length(content) FROM spool ORDER BY sequence"
        )
        for sequence, size in oldest:
            dropped.append(sequence)
            freed += size + ROW_BYTES
            if freed >= needed:
                break
        oldest.close()
        if self._handed_over and dropped[-1] > self._read_to:
            self._handed_over.clear()
            self._caught_up = False
        return self._remove(dropped)

    def _insert(self, rows: Sequence[Row]) -> None:
        self._connection.executemany("INSERT INTO spool VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._add({"waiting": len(rows), "waiting_bytes": sum(size_of(row) for row in rows)})

    def _remove(self, sequences: Iterable[int]) -> int:
        """Delete rows; the number that existed."""
        wanted, removed, freed = list(sequences), 0, 0
        for start in range(0, len(wanted), _KEYS_AT_ONCE):
            part = wanted[start : start + _KEYS_AT_ONCE]
            among = f"WHERE sequence IN ({','.join('?' * len(part))})"
            number, size = self._connection.execute(
                f"SELECT count(*), coalesce(sum(length(content)), 0) FROM spool {among}", part
            ).fetchone()
            self._connection.execute(f"DELETE FROM spool {among}", part)
            removed += number
            freed += size + number * ROW_BYTES
        self._add({"waiting": -removed, "waiting_bytes": -freed})
        return removed


def _check(limit_bytes: int, on_full: str, remembered: int) -> None:
    require("spool.limit_bytes", limit_bytes, whole(1))
    require("spool.on_full", on_full, one_of(get_args(OnFull)))
    require("spool.remembered", remembered, whole(1))


def _source_of(item: Item) -> str:
    return item.sensor if isinstance(item, Readings) else "annotations"
