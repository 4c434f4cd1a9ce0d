"""All that a ledger of many sites says was released, to find the block that has spent most."""

import itertools
import json
import operator
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fl_client.ledger.composition import Released, is_trained_on, released_about
from fl_client.ledger.file import explained
from fl_common.privacy.accounting import Spend
from fl_common.privacy.unit import WHOLE_SITE, Guarantee


@dataclass(frozen=True)
class Totals:
    """What was released about blocks that were trained on, held-out blocks and whole sites.

    Equal totals of several blocks are one.
    """

    trained: frozenset[Released]
    held_out: frozenset[Released]
    whole: frozenset[Released]


def read_totals(path: Path) -> Totals:
    """The totals in the ledger at ``path``, which is not verified: a debit or a report does that.

    Raises:
        LedgerError: it can't be read.
    """
    with explained(path), closing(_reading(path)) as connection:
        rows = connection.execute(
            "SELECT site, block, noise, rate, steps FROM spent ORDER BY site, block, noise, rate"
        ).fetchall()
    trained, held_out, whole = set[Released](), set[Released](), set[Released]()
    for _, of_site in itertools.groupby(rows, operator.itemgetter(0)):
        histories = {
            block: tuple(Spend(*row[2:]) for row in of_block)
            for block, of_block in itertools.groupby(of_site, operator.itemgetter(1))
        }
        for block in histories:
            kind = trained if is_trained_on(block) else whole if block == WHOLE_SITE else held_out
            kind.add(released_about(block, histories))
    return Totals(frozenset(trained), frozenset(held_out), frozenset(whole))


def read_whole_sites(path: Path, except_run: str) -> frozenset[Released]:
    """What was released about each whole site by all runs but one; nothing, for a new site."""
    events: dict[str, list[Spend]] = defaultdict(list)
    with explained(path), closing(_reading(path)) as connection:
        rows = connection.execute("SELECT line FROM charge WHERE site IS NOT NULL").fetchall()
    for line in (json.loads(text) for (text,) in rows):
        if line["run"] != except_run and WHOLE_SITE in line["blocks"]:
            events[line["site"]].append(Spend(line["noise"], line["rate"], line["steps"]))
    return frozenset({Released(()), *(Released(tuple(own)) for own in events.values())})


def highest(totals: Iterable[Released], promise: Guarantee) -> tuple[float, dict[str, float]]:
    """The highest epsilon for the unit of ``promise``, and for each unit that it reports."""

    def most(windows: int) -> float:
        every = (one.epsilon(windows, promise.delta, promise.accountant) for one in totals)
        return max(every, default=0.0)

    per = {unit: most(windows) for unit, windows in promise.windows_in.items()}
    return most(promise.windows_per_unit), per


def _reading(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, and folds SQLite's log into the file if it closes last.

    One with ``mode=ro`` would leave the log, and a copy of the file alone would lack its charges.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    connection.execute("PRAGMA query_only = ON")
    return connection
