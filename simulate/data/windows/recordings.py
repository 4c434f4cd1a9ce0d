"""Recordings as people have them: a file for each person, or several, or all in one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fl_client.sensors import Annotation
from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats, Integers, Task
from simulate.data.windows.intervals import runs_of
from simulate.data.windows.times import Times, times_of
from simulate.world.tables import Table, Words
from simulate.world.tables.folder import SITE
from simulate.world.tables.opened import Part
from simulate.world.tables.roles import LABELS, SITES, STAMPS, plain
from simulate.world.tables.splits import SPLIT


@dataclass(frozen=True)
class Recording:
    """Readings of one site in order of their times, in nanoseconds, and their labels.

    ``split`` is train, test, or empty where nothing says it; ``clock`` has how times were read.
    """

    source: str
    site: str
    split: str
    times_N: Integers
    values_NC: Floats
    annotations: tuple[Annotation, ...]
    clock: Times


def recordings_in(
    parts: Sequence[Part], task: Task, unit: str | None, gap_ns: int
) -> Iterator[Recording]:
    """The recordings of all files: of one with a column of sites, one for each.

    A label goes on over a gap of up to ``gap_ns``.

    Raises:
        InvalidData: a channel of the task is no column, or stamps can't be understood.
    """
    for table, said in parts:
        missing = [name for name in task.channels if name not in table.names]
        if missing:
            raise InvalidData(
                f"{table.source} with {', '.join(table.names)}",
                f"has no column {missing[0]}, which is a channel of task {task.name}",
                "Name the columns as the task's channels",
            )
        yield from _of_table(table, said, task, unit, gap_ns)


def _of_table(
    table: Table, said: Mapping[str, str], task: Task, unit: str | None, gap_ns: int
) -> Iterator[Recording]:
    assert task.rate_hz is not None
    stamp = _first(table, STAMPS)
    times = times_of(table, stamp, task.rate_hz, unit)
    times_N = times.times_N
    values_NC = np.stack([table.numbers(name) for name in task.channels], axis=1)
    label, site = _first(table, LABELS), _first(table, SITES)
    labels = table.words(label) if label is not None else None
    sites_N = table.words(site).values_N.astype(str) if site is not None else None
    names = np.unique(sites_N).tolist() if sites_N is not None else [said.get(SITE, "all")]
    for name in names:
        rows = np.arange(len(times_N)) if sites_N is None else np.flatnonzero(sites_N == name)
        rows = rows[np.argsort(times_N[rows], kind="stable")]
        own_N = times_N[rows]
        yield Recording(
            table.source,
            name,
            said.get(SPLIT, ""),
            own_N,
            values_NC[rows].astype(np.float32),
            tuple(_runs(labels, rows, own_N, gap_ns)) if labels is not None else (),
            times,
        )


def _runs(words: Words, rows: Integers, times_N: Integers, gap_ns: int) -> Iterator[Annotation]:
    steps_N = np.diff(times_N)
    period_ns = int(np.median(steps_N)) if len(steps_N) else 1
    return runs_of(
        Words(words.values_N[rows], words.missing_N[rows]), times_N, max(1, period_ns), gap_ns
    )


def _first(table: Table, names: Sequence[str]) -> str | None:
    by_plain = {plain(name): name for name in table.names}
    more = [f"{name}_id" for name in names]
    return next((by_plain[name] for name in (*names, *more) if name in by_plain), None)
