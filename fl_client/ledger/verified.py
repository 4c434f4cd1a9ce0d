"""What a process has verified of its ledger: each line up to a head, and the sums of these lines.

A debit relies on the sums in the file, which anyone who can write it could change under a running
process. So each debit verifies the lines that were added since the last one, and compares the
charged sites' sums with those of the verified lines. If another connection has changed the file
without adding a line, all lines are verified again.
"""

import sqlite3
from collections import Counter as Tally
from collections import defaultdict
from pathlib import Path

from fl_client.ledger.chain import Head, Sums, follow, genesis
from fl_client.ledger.file import untrusted
from fl_common.errors import LedgerError


class VerifiedLines:
    """The verified lines of ``owner``'s ledger at ``path``; its methods need a transaction.

    Raises:
        LedgerError: in each method, if the file's lines or sums were changed.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, owner: str) -> None:
        self._path, self._connection, self._owner = path, connection, owner
        self._head = genesis(owner)
        self._sums: Sums = defaultdict(Tally)
        self._version: int | None = None

    def catch_up(self) -> None:
        """Verify the lines that were added; or all, if the file was changed in another way."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        before = self._head
        self.add_own()
        if self._head == before and version != self._version:
            head, sums = self._after(genesis(self._owner))
            if head != before:
                raise untrusted(self._path, "its lines were rewritten while it was in use")
            self._sums = sums
        self._version = version

    def add_own(self) -> None:
        """Verify the lines that this process has just added."""
        self._head, added = self._after(self._head)
        for site, steps_of in added.items():
            self._sums[site].update(steps_of)

    def check_sums(self, site: str) -> None:
        """Compare the file's sums of ``site`` with those of the verified lines."""
        rows = self._connection.execute(
            "SELECT block, noise, rate, steps FROM spent WHERE site = ?", (site,)
        )
        if {tuple(key): steps for *key, steps in rows} != self._sums.get(site, {}):
            raise self._wrong_sums()

    def check_all_sums(self) -> None:
        """Compare the sums of all sites."""
        for (site,) in self._connection.execute("SELECT DISTINCT site FROM spent"):
            if site not in self._sums:
                raise self._wrong_sums()
        for site in self._sums:
            self.check_sums(site)

    def _after(self, head: Head) -> tuple[Head, Sums]:
        fault, head, added = follow(self._connection, head)
        if fault:
            raise untrusted(self._path, fault)
        return head, added

    def _wrong_sums(self) -> LedgerError:
        return untrusted(self._path, "its sums differ from its lines: they were edited")
