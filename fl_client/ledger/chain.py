"""The hash chain over a ledger's lines: it detects a line that was edited, removed or moved.

Each line has the SHA-256 of the previous hash and its own text; the first one follows a hash of the
owner's name. The chain has no key, so anyone who can write the file can make another valid chain;
the separate counter (``counter.py``) detects that.
"""

import hashlib
import json
import sqlite3
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

_SITE = ',"site":'
"""After it, a line says the same in every round of a run: the rest is read once."""


Sums = dict[str, Tally[tuple[str, float, float]]]
"""Steps of each site by block, noise multiplier and sampling rate."""


@dataclass(frozen=True)
class Head:
    """The head of a chain: its number of lines, and the hash of the last one (hex SHA-256)."""

    number: int
    hash: str


def genesis(owner: str) -> Head:
    """The head of ``owner``'s ledger while it has no line."""
    return Head(0, _link("privacy ledger of ", owner))


def after(head: Head, line: str) -> Head:
    """The head after the text ``line`` is added to ``head``."""
    return Head(head.number + 1, _link(head.hash, line))


def last(connection: sqlite3.Connection, owner: str) -> tuple[Head, int]:
    """The head at the last line, and the number of that line's debit (0 without lines)."""
    row = connection.execute(
        "SELECT number, hash, debit FROM charge ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return (Head(row[0], row[1]), row[2]) if row else (genesis(owner), 0)


def public_head(connection: sqlite3.Connection, owner: str) -> str | None:
    """The last line's hash, for others to remember; None without lines.

    It hides the lines: the last one has a random salt of 128 bits, so nobody can try what they
    might say. None if it has none (it is older).
    """
    head, _ = last(connection, owner)
    (salted,) = connection.execute(
        "SELECT count(*) FROM charge WHERE number = ? AND json_extract(line, '$.salt') IS NOT NULL",
        (head.number,),
    ).fetchone()
    return head.hash if salted else None


def is_behind(connection: sqlite3.Connection, seen: str) -> bool:
    """Whether the ledger lacks the line with the hash ``seen``, and no line accepts its loss."""
    known = connection.execute(
        "SELECT 1 FROM charge WHERE hash = ? ORDER BY number DESC LIMIT 1", (seen,)
    ).fetchone()
    accepted = (
        known
        or connection.execute(
            "SELECT 1 FROM charge WHERE site IS NULL AND json_extract(line, '$.accepts') = ?",
            (seen,),
        ).fetchone()
    )
    return accepted is None


def follow(connection: sqlite3.Connection, head: Head) -> tuple[str, Head, Sums]:
    """Check the lines after ``head``: the fault of the first bad one, the new head, their sums.

    The fault is empty if every line follows from those before it.
    """
    alike = Tally[str]()
    for number, line, hash_ in connection.execute(
        "SELECT number, line, hash FROM charge WHERE number > ? ORDER BY number", (head.number,)
    ):
        if number != head.number + 1:
            return f"line {head.number + 1} is missing: line {number} comes next", head, {}
        head = after(head, line)
        if head.hash != hash_:
            fault = f"line {number} does not follow from those before: it was edited or moved"
            return fault, head, {}
        alike[line.partition(_SITE)[2]] += 1
    return "", head, _sums(alike)


def _sums(alike: Mapping[str, int]) -> Sums:
    """From the ends of lines, and how many end alike."""
    sums: Sums = defaultdict(Tally)
    for rest, lines in alike.items():
        line = json.loads("{" + _SITE[1:] + rest) if rest else {}
        for block in line.get("blocks", ()):
            key = (block, line["noise"], line["rate"])
            sums[line["site"]][key] += line["steps"] * lines
    return sums


def _link(previous: str, text: str) -> str:
    return hashlib.sha256((previous + text).encode()).hexdigest()
