"""A site's durable record of privacy spent: written and synced before the first gradient.

The ledger keeps the events (noise multiplier, sampling rate, steps) of every block of data, not
epsilons, so it composes over rounds, runs, models and restarts with any accountant. Each block is
accounted for by itself. The theorem is block composition (Lécuyer, Spahn, Vodrahalli, Geambasu and
Hsu, "Privacy accounting and quality control in the Sage differentially private ML platform", SOSP
2019, section 4; with Rényi DP: Luo, Pan, Tholoniat, Cidon, Geambasu and Lécuyer, "Privacy budget
scheduling", OSDI 2021): where blocks hold disjoint records, a record touches only the releases that
its own block took part in, so all releases together cost no more than the block that cost most.
Which blocks take part, and when a block is left out, depends on the ledger alone and never on
windows; that a limit fixed beforehand may stop spends chosen adaptively is the privacy filter of
Rogers et al. (2016), for Rényi DP of Feldman and Zrnic (2021) and Lécuyer (2021).

If the protected unit is a reading, its windows may lie in several blocks. With one mechanism, or
without sampling, it still costs no more than the block that cost most, counted as if that block had
all of them (docs/reference/accounting.md has the proof).

A site-level plan is charged to the block ``(site)``, any other plan to blocks of data. A release
about the site is one about each of its windows, so its events count toward each block of data, too
(``composition.py``). The owner's limit is on this total, whatever the units of the plans.

A crash after a debit wastes budget; it never hides a spend. The file is SQLite in WAL mode with
synchronous=FULL; one file may hold several sites, and a cohort's debits are one transaction. A hash
chain over its lines (``chain.py``) detects an edit, and a separate counter (``counter.py``) detects
an old copy.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fl_client.ledger import lines
from fl_client.ledger.chain import is_behind, last, public_head
from fl_client.ledger.charge import Charge
from fl_client.ledger.composition import Limit, released_about
from fl_client.ledger.counter import (
    PUT_BACK,
    Counter,
    CounterSlots,
    behind_the_server,
    counter_beside,
    difference,
)
from fl_client.ledger.debit import debit, refuse_changed_plan
from fl_client.ledger.file import create, explained, open_checked, owner_of
from fl_client.ledger.lines import Journal, LedgerEntry
from fl_client.ledger.verified import VerifiedLines
from fl_common.errors import LedgerError
from fl_common.privacy.accounting import AccountantName, Spend
from fl_common.vocabulary import Refusal

__all__ = ["Charge", "Ledger", "LedgerEntry", "refuse_changed_plan"]


class Ledger:
    """The ledger of ``owner`` in the file at ``path``, created if it is missing.

    ``owner`` is the site's name, or one name for a fleet that shares a file; None opens an existing
    ledger of any owner. ``counter`` is the path of its counter, which belongs on another device;
    None puts it beside the ledger. ``limit`` is the owner's, over all plans; None: each plan's own
    limit is the only one. Any thread may call the ledger.

    Raises:
        LedgerError: here and in each method, when the file can't be read, written or trusted.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float],
        owner: str | None,
        counter: Path | None = None,
        limit: Limit | None = None,
    ) -> None:
        self._path = path
        self._limit = limit
        self._seen: str | None = None
        self._clock = clock
        self._counter = Counter(counter or counter_beside(path))
        self._lock = threading.Lock()
        with explained(path):
            if owner is not None and not path.exists():
                self._counter.check_unused(path)
                create(path, owner)
            self._connection = open_checked(path)
            try:
                self._inode = path.stat().st_ino
                self._owner = owner_of(self._connection)
                self._lines = VerifiedLines(path, self._connection, self._owner)
                self._check(owner)
            except BaseException:
                self._connection.close()
                raise

    @property
    def folder(self) -> Path:
        """The folder of the ledger's file."""
        return self._path.parent

    def close(self) -> None:
        """Close the file; the ledger can't be used any more."""
        self._connection.close()

    @property
    def owner(self) -> str:
        """The site or fleet that the ledger belongs to."""
        return self._owner

    def debit(self, charges: Sequence[Charge]) -> list[tuple[str, ...] | Refusal]:
        """The blocks that each charge was booked on, or a refusal; durable when this returns.

        A block that the round would take past the plan's limit or the owner's is left out. If no
        block is left, the result is a refusal with a remedy. A repeatable charge that is booked
        already gives the same result and is not booked again; any other repetition is a second
        release and is booked.
        A run keeps the plan of its first charge; any other plan is refused.

        Raises:
            LedgerError: as the class says; or a charge with a number that no round can cost.
        """
        for charge in charges:
            charge.check()
        with self._transaction() as journal:
            for site in {charge.site for charge in charges}:
                self._lines.check_sums(site)
            return [debit(journal, charge, self._limit) for charge in charges]

    def head(self, site: str) -> str | None:
        """A digest that a server may remember of ``site``'s own ledger; None if others share it."""
        if site != self._owner:
            return None
        with self._lock, explained(self._path):
            return public_head(self._connection, self._owner)

    def heed(self, site: str, seen: str | None) -> None:
        """Make sure at each debit from now on that ``site``'s ledger has the line ``seen``.

        A server remembers the digest that a site sent with its last answer, and tells it with each
        instruction. So a ledger that was put back from a copy, with its counter, is refused.
        """
        self._seen = seen if site == self._owner else None

    def reopen(self, run: str, first: int) -> None:
        """Let each charge for round ``first`` of ``run`` or a later one be used once more.

        For a run whose server and sites are one process: what they sent in these rounds was lost
        with it, before anything was kept or shown. A line says so. No server can ask for this.
        """
        with self._transaction() as journal:
            if lines.is_charged_from(self._connection, run, first):
                why = f"run {run} was interrupted; charges from round {first} on are used again"
                journal.note(why, reopens=run, **{"from": first})

    def plan_of(self, site: str, run: str) -> str | None:
        """The digest of the plan that ``run`` was first charged under; None if never charged."""
        with self._lock, explained(self._path):
            return lines.plan_of(self._connection, site, run)

    def epsilon(self, site: str, delta: float, accountant: AccountantName) -> float:
        """Epsilon at ``delta`` that ``site`` has spent: the highest over its blocks, else 0.0."""
        histories = self.histories(site)
        all_released = {released_about(block, histories) for block in histories}
        return max((one.epsilon(1, delta, accountant) for one in all_released), default=0.0)

    def histories(self, site: str) -> dict[str, tuple[Spend, ...]]:
        """The mechanisms that each block of ``site`` has taken part in."""
        with self._lock, explained(self._path):
            return lines.histories_of(self._connection, site)

    def entries(self, site: str) -> Iterator[LedgerEntry]:
        """All charges of ``site``, oldest first."""
        with self._lock, explained(self._path):
            return lines.entries_of(self._connection, site)

    def sites(self) -> list[str]:
        """Every site that was charged, by name."""
        with self._lock, explained(self._path):
            return lines.sites_of(self._connection)

    def notes(self) -> list[tuple[float, str]]:
        """Changes to the ledger itself: time (Unix seconds) and text."""
        with self._lock, explained(self._path):
            return lines.notes_of(self._connection)

    @contextmanager
    def _transaction(self) -> Iterator[Journal]:
        """One debit: ledger first, counter second (see ``counter.py``)."""
        with self._lock, explained(self._path), self._written(), self._counter.held() as slots:
            journal = self._journal(slots)
            head = journal.head
            yield journal
            self._connection.execute("COMMIT")
            if journal.head != head:
                slots.write(journal.head)
                self._lines.add_own()

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Hold SQLite's write lock; roll back what is not committed inside."""
        if self._path.stat().st_ino != self._inode:
            raise LedgerError(f"{self._path}: was replaced while in use. Start again.")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _journal(self, slots: CounterSlots) -> Journal:
        """The journal at the ledger's head; a counter that a crash left behind catches up first."""
        self._lines.catch_up()
        counted = slots.read()
        if fault := difference(self._connection, self._owner, counted):
            raise LedgerError(f"{self._path}: {fault}. {PUT_BACK}.")
        if self._seen and is_behind(self._connection, self._seen):
            raise LedgerError(f"{self._path}: {behind_the_server(self._seen)}.")
        head, debit = last(self._connection, self._owner)
        if head != counted:
            slots.write(head)
        return Journal(self._connection, head, debit + 1, self._clock)

    def _check(self, owner: str | None) -> None:
        """All checks on opening: the owner, each line, the counter, the sums."""
        if owner not in (None, self._owner):
            raise LedgerError(
                f"{self._path}: is from another site: it belongs to {self._owner}, and this is"
                f" {owner}. Give each site a ledger of its own, or correct the site's name."
            )
        with self._written():
            self._lines.catch_up()
            self._begin_counter()
            with self._counter.held() as slots:
                self._journal(slots)
            self._lines.check_all_sums()

    def _begin_counter(self) -> None:
        """Create the counter of a new ledger; a ledger with lines must have one already."""
        if self._counter.exists():
            return
        head, _ = last(self._connection, self._owner)
        if head.number:
            raise LedgerError(
                f"{self._path}: has {head.number} lines, and its counter {self._counter.path} is"
                " missing: it may have been removed to hide an old copy, or its device is not"
                f" there. {PUT_BACK}."
            )
        self._counter.create(head)
