"""The lines of a ledger: how charges are written as lines and read back."""

import itertools
import json
import operator
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from fl_client.ledger.chain import Head, after
from fl_client.ledger.charge import Charge
from fl_common.privacy.accounting import AccountantName, Spend

_to_json = json.JSONEncoder(separators=(",", ":")).encode
_ADD = (
    "INSERT INTO spent VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET steps = steps + excluded.steps"
)


@dataclass(frozen=True)
class LedgerEntry:
    """One line of the ledger: ``blocks`` were charged ``spend`` at ``time`` (seconds, Unix).

    ``delta``, ``epsilon_limit`` and ``accountant`` are the plan's.
    """

    number: int
    time: float
    site: str
    run: str
    round: int
    unit: str
    spend: Spend
    delta: float
    epsilon_limit: float
    accountant: AccountantName
    windows_per_reading: int
    windows_per_unit: int
    blocks: tuple[str, ...]


class Journal:
    """Adds the lines of one debit after ``head``, inside the caller's transaction."""

    def __init__(
        self, connection: sqlite3.Connection, head: Head, debit: int, clock: Callable[[], float]
    ) -> None:
        self.connection = connection
        self.head = head
        self._debit = debit
        self._clock = clock

    def charge(self, charge: Charge, blocks: tuple[str, ...], **fields: object) -> None:
        """Add a line for ``charge`` on ``blocks``, and update their sums."""
        promise, mechanism = charge.guarantee, charge.mechanism
        self._add(
            round=charge.round,
            site=charge.site,
            run=charge.run,
            plan=charge.plan,
            unit=promise.unit,
            **mechanism,
            delta=float(promise.delta),
            epsilon_limit=float(promise.epsilon_limit),
            accountant=promise.accountant,
            windows_per_reading=promise.windows_per_reading,
            windows_per_unit=promise.windows_per_unit,
            blocks=blocks,
            repeatable=charge.repeatable,
            **fields,
        )
        noise, rate, steps = mechanism["noise"], mechanism["rate"], mechanism["steps"]
        self.connection.executemany(
            _ADD, [(charge.site, block, noise, rate, steps) for block in blocks]
        )

    def note(self, text: str, **fields: object) -> None:
        """Add a line that charges nothing and describes a change to the ledger itself."""
        self._add(note=text, **fields)

    def _add(self, **fields: object) -> None:
        head = {"debit": self._debit, "time": float(self._clock()), "salt": token_hex(16)}
        line = _to_json({**head, **fields})
        self.head = after(self.head, line)
        self.connection.execute(
            "INSERT INTO charge (number, line, hash) VALUES (?, ?, ?)",
            (self.head.number, line, self.head.hash),
        )


def entries_of(connection: sqlite3.Connection, site: str) -> Iterator[LedgerEntry]:
    """All charges of ``site``, oldest first."""
    rows = connection.execute(
        "SELECT number, line FROM charge WHERE site = ? ORDER BY number", (site,)
    ).fetchall()
    return (_entry(number, json.loads(line)) for number, line in rows)


def notes_of(connection: sqlite3.Connection) -> list[tuple[float, str]]:
    """Changes to the ledger itself: time (Unix seconds) and text."""
    rows = connection.execute("SELECT line FROM charge WHERE site IS NULL ORDER BY number")
    lines = [json.loads(line) for (line,) in rows]
    return [(line["time"], line["note"]) for line in lines]


def sites_of(connection: sqlite3.Connection) -> list[str]:
    """Every site that was charged, by name."""
    rows = connection.execute("SELECT DISTINCT site FROM spent ORDER BY site")
    return [site for (site,) in rows]


def histories_of(connection: sqlite3.Connection, site: str) -> dict[str, tuple[Spend, ...]]:
    """The mechanisms that each block of ``site`` took part in; equal histories are equal tuples."""
    query = "SELECT block, noise, rate, steps FROM spent WHERE site = ? ORDER BY block, noise, rate"
    rows = connection.execute(query, (site,))
    return {
        block: tuple(Spend(*row[1:]) for row in group)
        for block, group in itertools.groupby(rows, operator.itemgetter(0))
    }


def plan_of(connection: sqlite3.Connection, site: str, run: str) -> str | None:
    """The digest of the plan under which ``site`` was first charged for ``run``, or None."""
    row = connection.execute(
        "SELECT plan FROM charge WHERE site = ? AND run = ? LIMIT 1", (site, run)
    ).fetchone()
    return str(row[0]) if row else None


def booked(
    connection: sqlite3.Connection, charge: Charge
) -> tuple[dict[str, float], tuple[str, ...]] | None:
    """Mechanism and blocks of the repeatable line that ``charge`` repeats; None if it is new."""
    rows = connection.execute(
        "SELECT line FROM charge WHERE site = ? AND run = ? AND round = ? ORDER BY number DESC",
        (charge.site, charge.run, charge.round),
    )
    for line in (json.loads(text) for (text,) in rows):
        if line["repeatable"]:
            return {name: line[name] for name in charge.mechanism}, tuple(line["blocks"])
    return None


def reopened(connection: sqlite3.Connection, charge: Charge) -> tuple[str, ...] | None:
    """The blocks of a charge that is paid for ``charge`` and reopened; None if there is none.

    The newest charge of the site for this round is looked for; an evaluation's run names the
    parameters, too, which are others in a repetition.
    """
    run, kind = _run_and_kind(charge.run)
    (note,) = connection.execute(
        "SELECT max(number) FROM charge WHERE site IS NULL"
        " AND json_extract(line, '$.reopens') = ? AND json_extract(line, '$.from') <= ?",
        (run, charge.round),
    ).fetchone()
    if note is None:
        return None
    rows = connection.execute(
        "SELECT number, line FROM charge WHERE site = ? AND round = ? ORDER BY number DESC",
        (charge.site, charge.round),
    )
    for number, line in ((number, json.loads(text)) for number, text in rows):
        if _run_and_kind(line["run"]) == (run, kind):
            is_paid = number < note and all(line[k] == v for k, v in charge.mechanism.items())
            blocks = tuple(line.get("reuses", line["blocks"]))
            return blocks if is_paid and set(blocks) <= set(charge.blocks) else None
    return None


def is_charged_from(connection: sqlite3.Connection, run: str, first: int) -> bool:
    """Whether any site was charged for round ``first`` of ``run`` or a later one."""
    rows = connection.execute("SELECT DISTINCT run FROM charge WHERE round >= ?", (first,))
    return any(_run_and_kind(one)[0] == run for (one,) in rows if one)


def _run_and_kind(run: str) -> tuple[str, str]:
    """``run`` and ``evaluation`` of ``run/evaluation/digest``."""
    own, _, rest = run.partition("/")
    return own, rest.partition("/")[0]


def _windows_per_unit(line: dict[str, Any]) -> int:
    """Of a line that was written before lines said so themselves."""
    return int(line["windows_per_reading"]) if line["unit"] == "reading" else 1


def _entry(number: int, line: dict[str, Any]) -> LedgerEntry:
    copied = (
        "time", "site", "run", "round", "unit", "delta", "epsilon_limit", "accountant",
        "windows_per_reading",
    )  # fmt: skip
    return LedgerEntry(
        number=number,
        spend=Spend(line["noise"], line["rate"], line["steps"]),
        windows_per_unit=line.get("windows_per_unit", _windows_per_unit(line)),
        blocks=tuple(line["blocks"]),
        **{name: line[name] for name in copied},
    )
