"""A ledger's rollback-protection counter: a small file that shows when an old copy was restored.

It holds the number of the ledger's lines and the hash of the last one. Keep it on another device,
or in another folder, so that no backup restores both together.

A debit commits the ledger first and writes the counter second, and only then may training begin.
So a crash leaves the ledger at most one debit ahead, for which nothing was trained, and the counter
catches up. A ledger behind its counter has lost lines of privacy spent, and is refused.

The file has two slots, each in a disk block of its own, written in turn: a torn write damages one
and leaves the other, which holds the previous state.
"""

import fcntl
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fl_client.ledger import file as ledger_file
from fl_client.ledger.chain import Head, genesis, last
from fl_common.errors import LedgerError
from fl_common.files.whole import OWNER_ONLY, whole_path

_SLOT_BYTES = 4096
_LOCK_PAUSE_S = 0.002

PUT_BACK = (
    "Put the file that is missing or too old back; where there is no newer one,"
    " `fl-client ledger adopt` makes a new counter and writes down in the ledger that it did"
)
"""The remedy if a ledger and its counter do not agree."""


def behind_the_server(seen: str) -> str:
    """Fault and remedy if a ledger lacks a line that a server has ``seen``."""
    return (
        "lacks a line that the server has seen, so it was put back from an old copy together with"
        " its counter, and what was spent since would be spent again. Put the newest of both back;"
        " where there is none, remove the data that may have been trained on, then"
        f" `fl-client ledger adopt --seen {seen}` writes down in the ledger that the rest is lost"
    )


def counter_beside(path: Path) -> Path:
    """The default path of a ledger's counter."""
    return path.with_name(f"{path.name}.counter")


class Counter:
    """The counter in the file at ``path``, opened for each use.

    Raises:
        LedgerError: in each method, when the file can't be read, written or trusted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """True where the file is there."""
        return self.path.exists()

    def check_unused(self, ledger: Path) -> None:
        """Raise LedgerError if a counter has counted lines of a ledger that is missing."""
        if not self.exists():
            return
        with self.held() as slots:
            counted = slots.read()
        if counted.number:
            raise LedgerError(
                f"{ledger}: is missing, and its counter {self.path} has counted {counted.number}"
                " lines: a new ledger would forget what was spent. Put the newest copy back; where"
                " there is none, remove the counter and all data that may have been trained on."
            )

    def create(self, head: Head) -> None:
        """Write a counter at ``head``, replacing any other; atomic and durable."""
        with ledger_file.explained(self.path), whole_path(self.path, OWNER_ONLY) as part:
            part.write_bytes(_slot(head) + b" " * _SLOT_BYTES)

    @contextmanager
    def held(self) -> Iterator["CounterSlots"]:
        """The file's slots, locked against other processes."""
        with ledger_file.explained(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _lock(descriptor, self.path)
            yield CounterSlots(descriptor, self.path)
        finally:
            os.close(descriptor)


class CounterSlots:
    """The two slots of a counter's file."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    def read(self) -> Head:
        """The newer of both slots; a truncated one is ignored."""
        with ledger_file.explained(self._path):
            heads = [head for head in map(self._at, (0, 1)) if head]
        if not heads:
            raise LedgerError(f"{self._path}: is damaged. {PUT_BACK}.")
        return max(heads, key=lambda head: head.number)

    def write(self, head: Head) -> None:
        """Put ``head`` over the older slot; durable when this returns."""
        with ledger_file.explained(self._path):
            first, second = self._at(0), self._at(1)
            place = 0 if first is None or (second and second.number > first.number) else 1
            os.pwrite(self._descriptor, _slot(head), place * _SLOT_BYTES)
            os.fdatasync(self._descriptor)

    def _at(self, place: int) -> Head | None:
        text = os.pread(self._descriptor, _SLOT_BYTES, place * _SLOT_BYTES)
        words = text.decode("ascii", "replace").split()
        if len(words) != 3 or not words[0].isdecimal():
            return None
        head = Head(int(words[0]), words[1])
        return head if _slot(head) == text.ljust(_SLOT_BYTES) else None


def difference(connection: sqlite3.Connection, owner: str, counted: Head) -> str:
    """How a ledger and its counter differ; empty if the ledger can be trusted.

    A ledger may be one debit ahead of its counter: the process ended between the two writes.
    """
    head, debit = last(connection, owner)
    if head.number < counted.number:
        lost = counted.number - head.number
        return (
            f"ends at line {head.number}, and its counter has counted {counted.number}: it was put"
            f" back from an old copy, or cut off, and {lost} lines of privacy spent are lost"
        )
    row = connection.execute(
        "SELECT hash, debit FROM charge WHERE number = ?", (counted.number,)
    ).fetchone()
    hash_, counted_debit = row or (genesis(owner).hash, 0)
    if hash_ != counted.hash:
        return (
            f"has another line {counted.number} than the one that its counter has seen: it was"
            " rewritten, or one of the two belongs to another ledger"
        )
    if debit - counted_debit > 1:
        return (
            f"is at line {head.number}, more than one debit ahead of its counter"
            f" ({counted.number}): the counter was restored from an old copy"
        )
    return ""


def _slot(head: Head) -> bytes:
    words = f"{head.number:020d} {head.hash}"
    check = hashlib.sha256(words.encode()).hexdigest()[:16]
    return f"{words} {check}\n".encode().ljust(_SLOT_BYTES)


def _lock(descriptor: int, path: Path) -> None:
    """Wait for the lock, which others hold for milliseconds, as long as for the ledger's."""
    deadline = time.monotonic() + ledger_file.LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise LedgerError(f"{path}: {ledger_file.locked()}.") from error
            time.sleep(_LOCK_PAUSE_S)
