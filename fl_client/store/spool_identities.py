"""What comes to the spool, and the identities by which it recognises a repetition."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fl_client.sensors import Item
from fl_client.store.spool_rows import key_of

_AT_ONCE = 500


class Arrival(NamedTuple):
    """An item as it came. ``surely_new``: it can't be a repetition, whatever its id.

    ``named`` is an id that its sender gave it, which no other content should have. ``redelivered``:
    the broker says that it may have sent it before.
    """

    item: Item
    surely_new: bool = False
    named: str | None = None
    redelivered: bool = False


class Appended(NamedTuple):
    """The result of an append, in messages; ``lost`` by reason.

    ``reused_ids`` are, by source, those that were kept although another one had their sender's id.
    ``refused`` are the positions in the batch for which a full spool had no room. Their identities
    are not remembered, so they may be sent again.
    """

    kept: int
    duplicates: int
    lost: Mapping[str, int]
    refused: frozenset[int] = frozenset()
    reused_ids: Mapping[str, int] = {}


class Looked(NamedTuple):
    """The ``keys`` of a batch, and the positions of the items that are ``fresh``.

    ``names`` are keys of the ids that senders gave to fresh items, by position; those in ``reused``
    belong to an earlier item, too.
    """

    keys: Sequence[int]
    fresh: Sequence[int]
    names: Mapping[int, int]
    reused: Sequence[int]


class Identities:
    """The identities of the last ``remembered`` messages. Call it in a transaction."""

    def __init__(self, connection: sqlite3.Connection, remembered: int) -> None:
        self._connection, self._remembered = connection, remembered
        self._forgotten_at = 0

    def look(self, batch: Sequence[Arrival]) -> Looked:
        """Which items of ``batch`` are new, each key once."""
        keys = [key_of(arrival.item) for arrival in batch]
        seen = self._known([k for k, a in zip(keys, batch, strict=True) if not a.surely_new])
        fresh = []
        for position, (key, arrival) in enumerate(zip(keys, batch, strict=True)):
            if arrival.surely_new or key not in seen:
                seen.add(key)
                fresh.append(position)
        names = {
            p: key_of(batch[p].item, name) for p in fresh if (name := batch[p].named) is not None
        }
        return Looked(keys, fresh, names, self._reused(names))

    def remember(self, looked: Looked, positions: Iterable[int], received: int) -> None:
        """Store the identities at ``positions``, and drop the oldest now and then."""
        rows = []
        for number, position in enumerate(positions, received):
            rows.append((looked.keys[position], number))
            if position in looked.names:
                rows.append((looked.names[position], number))
        self._connection.executemany("INSERT OR REPLACE INTO spool_seen VALUES (?, ?)", rows)
        if received - self._forgotten_at >= self._remembered // 10:
            self._connection.execute(
                "DELETE FROM spool_seen WHERE number < ?", (received - self._remembered,)
            )
            self._forgotten_at = received

    def _reused(self, names: Mapping[int, int]) -> list[int]:
        seen, found = self._known(list(names.values())), []
        for position, key in names.items():
            if key in seen:
                found.append(position)
            seen.add(key)
        return found

    def _known(self, keys: Sequence[int]) -> set[int]:
        """Those of ``keys`` that are remembered."""
        seen = set[int]()
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            found = self._connection.execute(
                f"SELECT key FROM spool_seen WHERE key IN ({marks})", part
            )
            seen.update(key for (key,) in found)
        return seen
