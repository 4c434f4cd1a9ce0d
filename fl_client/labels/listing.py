"""The intervals that a box was told labels of, or to leave out, with what became of each."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fl_client.home import LEDGER
from fl_client.labels.times import span_shown
from fl_client.ledger.ledger import Ledger
from fl_client.sensors import Annotation
from fl_client.store.annotations import annotations_in
from fl_client.store.database import store_in
from fl_client.store.label_requests import LabelledTask, labelled_task, requests_in
from fl_client.store.left_out import LeftOut, left_out_in
from fl_client.windows import Slicing
from fl_client.windows.grid import Grid
from fl_common.errors import InvalidConfiguration, LedgerError
from fl_common.privacy.unit import WHOLE_SITE

ANY_CUT = Slicing(1, 1.0, 0.0, 1.0)
"""What labels a task takes, and how long its windows are, depends on no way to cut them."""
_SHOWN = 20


@dataclass(frozen=True)
class ToldLabel:
    """An interval, its ``windows`` that have a label, and whether it ``waits`` for the node.

    A ``label`` of None: it is left out, and ``windows`` are those that it keeps from training.
    ``trained`` says whether the ledger has charged one of its days for training, so that a model
    may know its label; None where the ledger can't be read. Times are nanoseconds since 1970.
    """

    id: str
    label: str | None
    stream: str
    from_ns: int
    to_ns: int
    windows: int
    waits: bool
    trained: bool | None
    key: str
    """Its name in the store."""


@contextmanager
def opened(home: Path) -> Iterator[tuple[sqlite3.Connection, LabelledTask]]:
    """The store of the box in ``home``, to read, and the task of its labels.

    Raises:
        InvalidConfiguration: no box has run there, or it keeps no windows.
        StoreError: the store can't be read.
    """
    with store_in(home) as connection:
        about = labelled_task(connection)
        if about is None:
            remedy = "Start it once: fl-client run. With retain=none, send labels as messages"
            raise InvalidConfiguration(f"--home={home}", "keeps no windows to label", remedy)
        yield connection, about


def told_in(
    home: Path, connection: sqlite3.Connection, about: LabelledTask, counter: Path | None = None
) -> list[ToldLabel]:
    """All that were told or are left out, by their beginning; without those to be withdrawn.

    ``counter`` is the ledger's, if it is not beside the ledger.
    """
    requests = requests_in(connection)
    gone = {(r.annotation.stream, r.annotation.id) for r in requests if r.is_withdrawn}
    waiting = [one.annotation for one in requests if not one.is_withdrawn]
    days = _trained_days(home / LEDGER, counter)
    found = []
    for one in [*annotations_in(connection), *waiting]:
        if (one.stream, one.id) not in gone:
            windows = _windows(connection, about.cut, one)
            found.append(_row(one, one.label, windows, days, waits=one in waiting))
    for out in left_out_in(connection):
        windows = _kept_out(connection, about, out)
        found.append(_row(out, None, windows, days, waits=False))
    return sorted(found, key=lambda row: row.from_ns)


def _kept_out(connection: sqlite3.Connection, about: LabelledTask, one: LeftOut) -> int:
    """How many of the box's windows share time with an interval that is left out."""
    reach_ns = Grid(about.task, ANY_CUT).reach_ns
    (count,) = connection.execute(
        "SELECT count(*) FROM windows WHERE cut = ? AND stream = ?"
        " AND start_ns < ? AND start_ns >= ?",
        (about.cut, one.stream, one.to_ns, one.from_ns - reach_ns),
    ).fetchone()
    return int(count)


def show(home: Path, counter: Path | None, *, whole: bool, as_json: bool) -> None:
    """Show all, or the newest if not ``whole``.

    Raises:
        JoinTheDotsError: no box has run in ``home``, or its store can't be read.
    """
    with opened(home) as (connection, about):
        rows = told_in(home, connection, about, counter)
    output = Console(highlight=False, soft_wrap=True)
    if as_json:
        output.out(json.dumps([_fields(row) for row in rows], indent=1))
    elif not rows:
        output.print("no label was told, and nothing is left out")
    else:
        output.print(_table(rows if whole else rows[-_SHOWN:]))
        if not whole and len(rows) > _SHOWN:
            output.print(f"and {len(rows) - _SHOWN:,} older ones: --all shows them")


def _row(
    one: Annotation | LeftOut,
    label: str | None,
    windows: int,
    days: set[str] | None,
    *,
    waits: bool,
) -> ToldLabel:
    trained = None if days is None else not days.isdisjoint({WHOLE_SITE, *_days_of(one)})
    name = hashlib.sha256(f"{one.stream}\n{one.id}".encode()).hexdigest()[:8]
    return ToldLabel(
        name, label, one.stream, one.from_ns, one.to_ns, windows, waits, trained, one.id
    )


def _days_of(one: Annotation | LeftOut) -> Iterator[str]:
    """The UTC days that it touches, which are blocks of the ledger."""
    day_ns = 86_400 * 10**9
    for day in range(one.from_ns // day_ns, (one.to_ns - 1) // day_ns + 1):
        yield f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}"


def _windows(connection: sqlite3.Connection, cut: str, one: Annotation) -> int:
    """How many of the box's windows begin in it and have a label."""
    (count,) = connection.execute(
        "SELECT count(*) FROM windows WHERE cut = ? AND stream = ? AND label IS NOT NULL"
        " AND start_ns >= ? AND start_ns < ?",
        (cut, one.stream, one.from_ns, one.to_ns),
    ).fetchone()
    return int(count)


def _trained_days(ledger: Path, counter: Path | None) -> set[str] | None:
    """The blocks that were charged for a round of training; None if the ledger can't be read."""
    if not ledger.is_file():
        return set()
    try:
        with closing(Ledger(ledger, time.time, None, counter)) as opened_:
            entries = [entry for site in opened_.sites() for entry in opened_.entries(site)]
    except LedgerError:  # ``fl-client ledger`` says why
        return None
    return {block for entry in entries if "/" not in entry.run for block in entry.blocks}


def _fields(row: ToldLabel) -> dict[str, object]:
    fields = asdict(row)
    del fields["key"]
    return fields


def _table(rows: Sequence[ToldLabel]) -> Table:
    now = datetime.now().astimezone()
    table = Table(box=None, padding=(0, 2, 0, 0))
    streams = any(row.stream for row in rows)
    for heading in ("id", "label", *(["stream"] if streams else []), "from", "to"):
        table.add_column(heading, header_style="bold", no_wrap=True)
    table.add_column("windows", header_style="bold", justify="right", no_wrap=True)
    table.add_column("trained on", header_style="bold", no_wrap=True)
    for row in rows:
        named = [row.stream] if streams else []
        span = span_shown(row.from_ns, row.to_ns, now)
        windows = "waits" if row.waits else f"{row.windows:,}"
        trained = {None: "unknown", True: "yes", False: "no"}[row.trained]
        label = Text("left out", "italic") if row.label is None else Text(row.label)
        table.add_row(row.id, label, *map(Text, [*named, *span, windows, trained]))
    return table
