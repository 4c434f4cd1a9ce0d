"""A site's durable record of privacy spent: written and synced before the first gradient.

The ledger keeps the events (noise multiplier, sampling rate, steps) of every block of data, not
epsilons, so it composes over rounds, runs, models and restarts with any accountant. Each block is
accounted for by itself: by block composition (Lécuyer et al., Sage, SOSP 2019; Luo et al.,
PrivateKube, OSDI 2021) all releases together cost no more than the block that took part in
most, because the blocks hold disjoint windows.

A crash behind a debit wastes budget; it never hides a spend. The file is SQLite in WAL mode with
synchronous=FULL; one file may hold several sites, and a cohort's debits are one transaction.
"""

import itertools
import json
import operator
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fl_client.ledger_file import create, explained, open_checked
from fl_common.errors import LedgerError
from fl_common.privacy import ACCOUNTANTS, AccountantName, PrivacyPlan, Spend, epsilon_of
from fl_common.vocabulary import Refusal, RefusalReason

_TOLERANCE = 1e-9  # of the limit: rounding must not refuse a plan calibrated to it
_NAMED_BLOCKS = 5


@dataclass(frozen=True)
class Charge:
    """What one round of ``run`` would cost each of ``blocks``, all the blocks that ``site`` has.

    ``repeatable`` says that the round, asked again, repeats its mechanism to the bit (seeded
    simulation), so that the repetition releases nothing new.
    """

    site: str
    run: str
    round: int
    privacy: PrivacyPlan
    blocks: tuple[str, ...]
    repeatable: bool


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: ``blocks`` were charged ``spend`` at ``time`` (seconds, Unix)."""

    number: int
    time: float
    site: str
    run: str
    round: int
    spend: Spend
    blocks: tuple[str, ...]


class Ledger:
    """The ledger in the file at ``path``, created where there is none. Any thread may call it.

    Raises:
        LedgerError: here and in each method, when the file can't be read, written or trusted.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        with explained(path):
            if not path.exists():
                create(path)
            self._connection = open_checked(path)
            self._inode = path.stat().st_ino

    def close(self) -> None:
        """Close the file; the ledger can't be used any more."""
        self._connection.close()

    def debit(self, charges: Sequence[Charge]) -> list[tuple[str, ...] | Refusal]:
        """The blocks that each charge was booked on, or a refusal; durable when this returns.

        A block that the round would take past ``epsilon_limit`` is left out; where none is left,
        the answer is a refusal that says what helps. A repeatable charge that is booked already is
        answered alike and not booked again; any other repetition is a second release and is booked.
        """
        with self._transaction() as connection:
            return [_debit(connection, charge, self._clock()) for charge in charges]

    def epsilon(self, site: str, delta: float, accountant: AccountantName) -> float:
        """Epsilon at ``delta`` that ``site`` has spent: the highest over its blocks, else 0.0."""
        with self._lock, explained(self._path):
            histories = set(_histories(self._connection, site).values())
        return max((epsilon_of(events, delta, accountant) for events in histories), default=0.0)

    def entries(self, site: str) -> Iterator[Entry]:
        """All lines of ``site``, oldest first."""
        query = (
            "SELECT number, time, run, round, noise, rate, steps, blocks FROM charge"
            " WHERE site = ? ORDER BY number"
        )
        with self._lock, explained(self._path):
            rows = self._connection.execute(query, (site,)).fetchall()
        for number, time, run, round_, noise, rate, steps, blocks in rows:
            spend = Spend(noise, rate, steps)
            yield Entry(number, time, site, run, round_, spend, tuple(json.loads(blocks)))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(self._path):
            if self._path.stat().st_ino != self._inode:
                raise LedgerError(f"{self._path}: was replaced while in use. Start again.")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _debit(
    connection: sqlite3.Connection, charge: Charge, time: float
) -> tuple[str, ...] | Refusal:
    if charge.repeatable and (booked := _booked(connection, charge)) is not None:
        return booked
    histories = _histories(connection, charge.site)
    spent = {block: histories.get(block, ()) for block in dict.fromkeys(charge.blocks)}
    limit = charge.privacy.epsilon_limit * (1 + _TOLERANCE)
    is_open = {events: _epsilon_after(events, charge) <= limit for events in set(spent.values())}
    left = tuple(block for block, events in spent.items() if is_open[events])
    if not left:
        return _exhausted(charge, spent)
    _book(connection, charge, left, time)
    return left


def _booked(connection: sqlite3.Connection, charge: Charge) -> tuple[str, ...] | Refusal | None:
    """The answer to a repeatable charge that is in the ledger; None when it is new."""
    row = connection.execute(
        "SELECT clip, noise, rate, steps, blocks FROM charge"
        " WHERE site = ? AND run = ? AND round = ? AND repeatable ORDER BY number DESC",
        (charge.site, charge.run, charge.round),
    ).fetchone()
    if row is None:
        return None
    blocks = tuple(json.loads(row[-1]))
    if row[:-1] == _mechanism(charge.privacy) and set(blocks) <= set(charge.blocks):
        return blocks
    return _refuse(
        charge,
        RefusalReason.PLAN,
        f"round {charge.round} of run {charge.run}: is in the ledger with another mechanism"
        f" (clip norm, noise multiplier, sampling rate, steps {row[:-1]}) or other blocks of data."
        " Begin a new run to change the plan or the data.",
    )


def _book(
    connection: sqlite3.Connection, charge: Charge, blocks: tuple[str, ...], time: float
) -> None:
    clip, noise, rate, steps = _mechanism(charge.privacy)
    connection.execute(
        "INSERT INTO charge (time, site, run, round, clip, noise, rate, steps, blocks, repeatable)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (time, charge.site, charge.run, charge.round, clip, noise, rate, steps,
         json.dumps(blocks, ensure_ascii=False), charge.repeatable),
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO spent VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET steps = steps + excluded.steps",
        [(charge.site, block, noise, rate, steps) for block in blocks],
    )


def _histories(connection: sqlite3.Connection, site: str) -> dict[str, tuple[Spend, ...]]:
    """All that each block of ``site`` has taken part in; equal histories are equal tuples."""
    query = "SELECT block, noise, rate, steps FROM spent WHERE site = ? ORDER BY block, noise, rate"
    rows = connection.execute(query, (site,))
    return {
        block: tuple(Spend(*row[1:]) for row in group)
        for block, group in itertools.groupby(rows, operator.itemgetter(0))
    }


def _mechanism(privacy: PrivacyPlan) -> tuple[float, float, float, int]:
    spend = privacy.spend_per_round
    return privacy.clip_norm, spend.noise_multiplier, spend.sampling_rate, spend.steps


def _epsilon_after(events: Sequence[Spend], charge: Charge) -> float:
    privacy = charge.privacy
    return epsilon_of([*events, privacy.spend_per_round], privacy.delta, privacy.accountant)


def _exhausted(charge: Charge, spent: Mapping[str, tuple[Spend, ...]]) -> Refusal:
    privacy = charge.privacy
    names = ", ".join(list(spent)[:_NAMED_BLOCKS])
    more = f" and {len(spent) - _NAMED_BLOCKS} more" if len(spent) > _NAMED_BLOCKS else ""
    after, before = min(
        (_epsilon_after(events, charge), epsilon_of(events, privacy.delta, privacy.accountant))
        for events in spent.values()
    )
    return _refuse(
        charge,
        RefusalReason.BUDGET,
        f"privacy blocks {names}{more}: have spent an epsilon of {before:.4g} or more at delta"
        f" {privacy.delta:g} ({ACCOUNTANTS[privacy.accountant]}), and this round would take them to"
        f" {after:.4g} or more, past the limit of {privacy.epsilon_limit:g}. Fresh data in new"
        " blocks, more noise, fewer steps or a higher privacy.epsilon would help.",
    )


def _refuse(charge: Charge, reason: RefusalReason, detail: str) -> Refusal:
    return Refusal(charge.site, charge.run, charge.round, reason, detail)
