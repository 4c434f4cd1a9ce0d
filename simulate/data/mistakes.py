"""Likely mistakes in a file of ``task=arrays``: what a person would want to know before a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from fl_common.vocabulary import Floats
from simulate.data.facts import Facts
from simulate.world.tables.suspects import is_index, unit_of_stamps

_FEW_VALUES = 100
_FEW_ROWS = 5
_UNEQUAL = 50
_NAMED = 5
_CODES = (-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, -32768.0, 65535.0)
"""Numbers that instruments and people write where there is no reading."""


@dataclass(frozen=True)
class Mistake:
    """What is likely wrong, and what to do; ``channels`` are best left out."""

    what: str
    remedy: str
    channels: tuple[str, ...] = ()


def mistakes_in(facts: Facts) -> Iterator[Mistake]:
    """The likely mistakes, those that spoil a model first."""
    if len(facts.shape) == 1:
        yield from _columns(facts)
    yield from _constant(facts)
    yield from _codes(facts)
    yield from _duplicates(facts)
    if facts.labelled and not (facts.numeric or facts.scored or facts.several):
        yield from _labels(facts)
    if facts.has_sites:
        yield from _sites(facts)


def _columns(facts: Facts) -> Iterator[Mistake]:
    """Columns of a table that are no readings: they would tell the label, the row or the site."""
    x, names = facts.rows.x, [channel.name for channel in facts.channels]
    leaking = [n for n, c in zip(names, x.T, strict=True) if _tells(c, facts.labels_N)]
    if leaking and len(facts.labels) > 1:
        what = f"{_listed(leaking)}: each value goes with one label alone: a copy of the label?"
        yield Mistake(what, "Leave it out, unless a sensor measures it", tuple(leaking))
    index = [name for name, column in zip(names, x.T, strict=True) if is_index(column)]
    if index:
        yield Mistake(f"{_listed(index)}: counts the rows", "Leave it out", tuple(index))
    stamps = {name: unit_of_stamps(column) for name, column in zip(names, x.T, strict=True)}
    for name, unit in stamps.items():
        if unit is not None:
            what = f"{name}: times since 1970 in {unit}, taken for readings"
            yield Mistake(what, "Leave it out; a model would learn when, not what", (name,))
    tells = [n for n, c in zip(names, x.T, strict=True) if _tells(c, facts.site_of_N)]
    tells = [name for name in tells if name not in (*leaking, *index)]
    if tells and facts.has_sites and len(facts.sites) > 1:
        what = f"{_listed(tells)}: each value belongs to one site alone: the site's number?"
        yield Mistake(what, "Leave it out: a new site has another", tuple(tells))


def _tells(column_N: Floats, of_N: np.ndarray) -> bool:
    """Whether a column has few values, at least two, of which each goes with one of ``of_N``."""
    values, index_N = np.unique(column_N, return_inverse=True)
    if not 2 <= len(values) <= min(_FEW_VALUES, len(column_N) // 2):
        return False
    pairs = np.unique(np.stack([index_N, of_N]), axis=1)
    return bool(pairs.shape[1] == len(values))


def _constant(facts: Facts) -> Iterator[Mistake]:
    same = [c.name for c in facts.channels if c.lowest == c.highest]
    if same:
        yield Mistake(f"{_listed(same)}: the same in every row", "Leave it out", tuple(same))
    empty = [c.name for c in facts.channels if c.missing * 2 > facts.count * _readings(facts)]
    if empty:
        what = f"{_listed(empty)}: more than half of the readings are missing"
        yield Mistake(what, "Leave it out, or mend the sensor", tuple(empty))


def _readings(facts: Facts) -> int:
    """Readings of one channel in a row."""
    return int(np.prod(facts.shape)) // max(1, len(facts.channels))


def _codes(facts: Facts) -> Iterator[Mistake]:
    """A number for "no reading", far from all others."""
    for channel in facts.channels:
        rest = max(abs(channel.mean), 1.0)
        for code in _CODES:
            if code in (channel.lowest, channel.highest) and abs(code) > 3 * rest:
                what = f"{channel.name}: {code:g} is its extreme: a code for no reading?"
                yield Mistake(what, "Write NaN in its place, and set data.missing=hold or drop")


def _duplicates(facts: Facts) -> Iterator[Mistake]:
    flat = facts.rows.x.reshape(len(facts.rows.x), -1)
    digests = [blake2b(row.tobytes(), digest_size=8).digest() for row in flat]
    digests_N = np.array([int.from_bytes(digest) for digest in digests], np.uint64)
    _, index_N, counts = np.unique(digests_N, return_inverse=True, return_counts=True)
    again = len(flat) - len(counts)
    if again:
        pairs = np.unique(np.stack([index_N, facts.labels_N]), axis=1)
        torn = pairs.shape[1] - len(counts)
        told = f", {torn} of them under another label" if torn > 0 else ""
        what = f"{again} of {len(flat)} rows repeat another one{told}"
        yield Mistake(what, "Remove them: a test row that was trained on proves nothing")


def _labels(facts: Facts) -> Iterator[Mistake]:
    by_label = facts.rows_of.sum(axis=0)
    if len(facts.labels) == 1:
        yield Mistake(f"{facts.labels[0]} is the only label", "Name the right column: data.label=")
    if 2 * len(facts.labels) > len(facts.labels_N) > _FEW_ROWS:
        what = f"{len(facts.labels)} labels in {len(facts.labels_N)} rows: a measured quantity?"
        yield Mistake(
            what,
            "Learn it: task.kind=regression task.range=[LOWEST,HIGHEST], or name the right column",
        )
        return
    if (held_out_N := facts.rows.held_out_N) is not None:
        trained = {*facts.labels_N[~held_out_N].tolist()}
        untrained = [n for place, n in enumerate(facts.labels) if place not in trained]
        if untrained:
            what = f"{_listed(untrained)}: no row for training"
            yield Mistake(what, "Collect some, or leave its test rows out")
    rare = [n for n, rows in zip(facts.labels, by_label, strict=True) if rows < _FEW_ROWS]
    if rare:
        yield Mistake(f"{_listed(rare)}: fewer than {_FEW_ROWS} rows", "Collect more, or merge it")
    if facts.has_sites and len(facts.sites) > 1:
        alone = (facts.rows_of > 0).sum(axis=0) == 1
        only = [n for n, is_alone in zip(facts.labels, alone, strict=True) if is_alone]
        if only:
            what = f"{_listed(only)}: only on one site each"
            yield Mistake(what, "A model may learn the site in place of the label: mix them")
    if facts.rows.y_N.dtype.kind != "U" and facts.rows.labels is None:
        largest = int(facts.rows.y_N.max())
        holes = largest + 1 - len(facts.labels)
        if holes > 0:
            what = f"{holes} of the labels 0 to {largest} have no row"
            yield Mistake(what, "Number labels from 0 without holes, or write them as text")


def _sites(facts: Facts) -> Iterator[Mistake]:
    by_site = facts.rows_of.sum(axis=1)
    if len(facts.sites) == len(facts.labels_N) > _FEW_ROWS:
        what = "every row is a site of its own: is the column a number of the row?"
        yield Mistake(what, "Name the right column: data.site=")
        return
    if len(facts.sites) == 1:
        what = f"{facts.sites[0]} is the only site"
        yield Mistake(what, "Divide its rows: data.site=none partition=iid sites=10")
    small = [n for n, rows in zip(facts.sites, by_site, strict=True) if rows < _FEW_ROWS]
    if small:
        what = f"sites {_listed(small)}: fewer than {_FEW_ROWS} rows, so none is held out"
        yield Mistake(what, "Collect more, or merge sites")
    if len(facts.sites) > 1 and by_site.max() >= _UNEQUAL * max(1, by_site.min()):
        what = f"sites have from {by_site.min()} to {by_site.max()} rows"
        yield Mistake(what, "The largest decide: divide them, or expect little for the small ones")
    one = [n for n, rows in zip(facts.sites, facts.rows_of, strict=True) if (rows > 0).sum() == 1]
    if len(facts.labels) > 1 and one and not (facts.numeric or facts.scored):
        yield Mistake(f"sites {_listed(one)}: rows of one label alone", "Check that this is so")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
