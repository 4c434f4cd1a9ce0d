"""Make a new counter for a ledger that has lost its own: on an operator's command, and recorded."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from fl_client.ledger.chain import last
from fl_client.ledger.counter import Counter, counter_beside, difference
from fl_client.ledger.file import explained, open_checked, owner_of
from fl_client.ledger.lines import Journal
from fl_client.ledger.verified import VerifiedLines
from fl_common.errors import LedgerError


def adopt(
    path: Path, clock: Callable[[], float], counter: Path | None = None, seen: str | None = None
) -> str:
    """Make a new counter for the ledger at ``path``, and record the reason in the ledger.

    ``seen`` is the digest of a head that a server has seen, and that is lost: the ledger goes on
    without it. Returns the reason; empty if ledger and counter agree, and nothing was done. The
    ledger's own lines must be whole: a broken chain is never adopted.

    Raises:
        LedgerError: the file can't be read, written or trusted.
    """
    kept = Counter(counter or counter_beside(path))
    with explained(path):
        connection = open_checked(path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            owner = owner_of(connection)
            lines = VerifiedLines(path, connection, owner)
            lines.catch_up()
            lines.check_all_sums()
            why = _why_not_counted(connection, owner, kept)
            if not (why or seen):
                return ""
            head, debit = last(connection, owner)
            journal = Journal(connection, head, debit + 1, clock)
            if why:
                journal.note(f"its counter was made anew: {why}")
            if seen:
                lost = f"what a server has seen of it, up to {seen}, is lost"
                journal.note(lost, accepts=seen)
                why = " and ".join(filter(None, (why, lost)))
            connection.execute("COMMIT")
            kept.create(journal.head)
            return why
        finally:
            connection.close()


def _why_not_counted(connection: sqlite3.Connection, owner: str, counter: Counter) -> str:
    if not counter.exists():
        return "the counter was missing"
    try:
        with counter.held() as slots:
            counted = slots.read()
    except LedgerError as error:
        return str(error)
    fault = difference(connection, owner, counted)
    return f"the ledger {fault}" if fault else ""
