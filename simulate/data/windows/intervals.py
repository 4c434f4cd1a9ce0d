"""Labels of a recording as intervals: from a column of its own, or from a file of intervals."""

from collections.abc import Iterator, Sequence

import numpy as np

from fl_client.sensors import Annotation
from fl_common.errors import InvalidData
from fl_common.vocabulary import Integers
from simulate.data.windows.times import times_of
from simulate.world.tables import Table, Words
from simulate.world.tables.roles import LABELS, SITES, plain

_FROM, _TO = ("from", "start", "begin"), ("to", "end", "stop")


def runs_of(words: Words, times_N: Integers, period_ns: int, gap_ns: int) -> Iterator[Annotation]:
    """Rows of one label that follow each other as one interval; it ends where the next row begins.

    Rows are in order of their times; one without a label has none. Where the next row is further
    away than the longest gap of a window, ``gap_ns``, a label ends a period after its own.
    """
    texts = [
        "" if gone else str(v) for v, gone in zip(words.values_N, words.missing_N, strict=True)
    ]
    borders = [row for row in range(len(texts)) if row == 0 or texts[row] != texts[row - 1]]
    wide_N = np.flatnonzero(np.diff(times_N) > gap_ns) + 1
    starts = sorted({*borders, *wide_N.tolist()})
    for start, end in zip(starts, [*starts[1:], len(texts)], strict=True):
        if texts[start]:
            to_ns = int(times_N[end - 1]) + period_ns
            if end < len(texts) and times_N[end] - times_N[end - 1] <= gap_ns:
                to_ns = int(times_N[end])
            yield Annotation(str(start), int(times_N[start]), to_ns, texts[start])


def read_intervals(
    table: Table, rate_hz: float, unit: str | None, otherwise: str | None
) -> dict[str, list[Annotation]]:
    """The intervals of a file with columns from, to, label and perhaps site, by site.

    Times are in ``unit``, or since 1970, or as those of the recordings are: ``otherwise``.

    Raises:
        InvalidData: a column is missing, or an interval ends before it begins.
    """
    start, end = (_named(table, names) for names in (_FROM, _TO))
    label, site = _named(table, LABELS), _named(table, SITES, needed=False)
    labels = table.words(label or "").values_N
    sites = np.full(len(labels), "") if site is None else table.words(site).values_N
    from_N, to_N = (
        times_of(table, name, rate_hz, unit, otherwise).times_N for name in (start, end)
    )
    found: dict[str, list[Annotation]] = {}
    for row in range(len(labels)):
        if to_N[row] <= from_N[row]:
            raise InvalidData(f"{table.source}: row {row}", "ends before it begins", "Correct it")
        own = Annotation(str(row), int(from_N[row]), int(to_N[row]), str(labels[row]))
        found.setdefault(str(sites[row]), []).append(own)
    return found


def _named(table: Table, names: Sequence[str], needed: bool = True) -> str | None:
    by_plain = {plain(name): name for name in table.names}
    found = next((by_plain[name] for name in names if name in by_plain), None)
    if found is None and needed:
        raise InvalidData(
            f"{table.source} with {', '.join(table.names)}",
            f"has no column {names[0]}",
            "Its columns are from, to, label, and site where a file has several",
        )
    return found
