"""Tells a box the label of an interval or to leave it out, and takes either back."""

import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from rich.console import Console

from fl_client.home import STORE
from fl_client.labels.listing import ANY_CUT, ToldLabel, opened, told_in
from fl_client.labels.times import nanoseconds, span_shown
from fl_client.sensors import MOST_AHEAD_NS, Annotation
from fl_client.store.database import open_store
from fl_client.store.label_requests import LabelledTask, LabelRequest, put_request
from fl_client.store.left_out import LeftOut, leave_out, take_in
from fl_client.windows.truths import truths_of
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task

_NAMED = 10


def tell(home: Path, label: str, begin: str, end: str, stream: str | None) -> None:
    """Let the box in ``home`` know the label from ``begin`` to ``end``, as a person types them.

    Raises:
        InvalidConfiguration: a label that tells nothing of the task, no interval, or no stream.
        StoreError: the store can't be read or written.
    """
    now = datetime.now().astimezone()
    start_ns, end_ns = _interval(begin, end, now)
    with opened(home) as (connection, about):
        _check_label(about.task, label)
        of = _stream_in(connection, about, stream)
        _check_new(told_in(home, connection, about), label, (of, start_ns, end_ns))
    key = f"told-{secrets.token_hex(4)} {start_ns}-{end_ns}-{label}"
    _put(home, LabelRequest(Annotation(key, start_ns, end_ns, label, of), is_withdrawn=False))
    span = "from {} to {}".format(*span_shown(start_ns, end_ns, now))
    _say(f"{label} {span} is told; fl-client labels shows its windows, and can take it back")


def keep_out(home: Path, begin: str, end: str, stream: str | None) -> None:
    """Let the box in ``home`` train on nothing that shares time with an interval from now on.

    Raises:
        InvalidConfiguration: no interval, no stream, or one that is left out already.
        StoreError: the store can't be read or written.
    """
    now = datetime.now().astimezone()
    start_ns, end_ns = _interval(begin, end, now)
    with opened(home) as (connection, about):
        of = _stream_in(connection, about, stream)
        _check_new(told_in(home, connection, about), None, (of, start_ns, end_ns))
    key = f"out-{secrets.token_hex(4)} {start_ns}-{end_ns}"
    with closing(open_store(home / STORE)) as store:
        leave_out(store, LeftOut(of, key, start_ns, end_ns))
    with opened(home) as (connection, about):
        (row,) = (row for row in told_in(home, connection, about) if row.key == key)
    span = "from {} to {}".format(*span_shown(start_ns, end_ns, now))
    _say(
        f"what is {span} is left out of training from now on: {row.windows:,} windows, and those"
        f" that come. fl-client labels --withdraw {row.id} takes it back{_what_stays(row)}"
    )


def withdraw(home: Path, name: str, counter: Path | None) -> None:
    """Take back the label that ``fl-client labels`` shows as ``name``.

    Raises:
        InvalidConfiguration: there is none.
        StoreError: the store can't be read or written.
    """
    with opened(home) as (connection, about):
        rows = [row for row in told_in(home, connection, about, counter) if row.id == name]
    if not rows:
        raise InvalidConfiguration(
            f"--withdraw {name}", "is no label that was told", "See their ids: fl-client labels"
        )
    for row in rows:
        if row.label is None:
            with closing(open_store(home / STORE)) as store:
                take_in(store, row.stream, row.key)
            _say("the interval is used again")
            continue
        one = Annotation(row.key, row.from_ns, row.to_ns, row.label, row.stream)
        _put(home, LabelRequest(one, is_withdrawn=True))
        _say(f"{row.label} is taken back{_what_stays(row)}")


def _what_stays(row: ToldLabel) -> str:
    if row.trained is None:
        return "; the ledger can't be read, so whether it was trained on is not known"
    if row.trained:
        return (
            ". Its day was trained on before: models of these rounds may know it, and what they"
            " cost stays charged. fl-client ledger shows the rounds"
        )
    return ""


def _interval(begin: str, end: str, now: datetime) -> tuple[int, int]:
    """What a person typed, in nanoseconds since 1970."""
    start_ns, end_ns = nanoseconds("--from", begin, now), nanoseconds("--to", end, now)
    about = f"--from {begin} --to {end}"
    if start_ns >= end_ns:
        raise InvalidConfiguration(about, "ends before it begins", "Give the earlier time first")
    if end_ns > now.timestamp() * 1e9 + MOST_AHEAD_NS:
        remedy = "Give an interval of which sensor data have come"
        raise InvalidConfiguration(about, "ends more than a day ahead of the clock", remedy)
    return start_ns, end_ns


def _check_new(known: Sequence[ToldLabel], label: str | None, span: tuple[str, int, int]) -> None:
    for one in known:
        if (one.label, one.stream, one.from_ns, one.to_ns) == (label, *span):
            what, rule = (label, "was told before") if label else ("leaving out", "was done before")
            remedy = f"See it, or take it back: fl-client labels --withdraw {one.id}"
            raise InvalidConfiguration(f"{what} of this interval", rule, remedy)


def _check_label(task: Task, label: str) -> None:
    truths = truths_of(task, ANY_CUT)
    if truths.why_unused(label) is not None:
        rule = f"tells nothing of {task.name}, whose labels must be {truths.expects}"
        raise InvalidConfiguration(f"label {label}", rule, "Give one of them")


def _stream_in(connection: sqlite3.Connection, about: LabelledTask, stream: str | None) -> str:
    """The stream that a person means, of those with windows."""
    rows = connection.execute("SELECT DISTINCT stream FROM windows WHERE cut = ?", (about.cut,))
    return _stream_of(stream, sorted(name for (name,) in rows))


def _stream_of(stream: str | None, known: list[str]) -> str:
    if stream in known:
        return str(stream)
    if stream is None and (not known or "" in known):
        return ""
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    names = ", ".join(known[:_NAMED]) + more
    if stream is None:
        remedy = f"Name one with --stream: {names}"
        raise InvalidConfiguration("the interval", "needs a stream of this box", remedy)
    remedy = f"Streams with windows: {names or 'none'}" if known != [""] else "Leave it out"
    raise InvalidConfiguration(f"--stream {stream}", "has no window here", remedy)


def _put(home: Path, request: LabelRequest) -> None:
    with closing(open_store(home / STORE)) as connection:
        put_request(connection, request)


def _say(text: str) -> None:
    Console(highlight=False, markup=False, soft_wrap=True).print(text)
