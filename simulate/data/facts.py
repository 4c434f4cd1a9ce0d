"""What is in a file of ``task=arrays``: sites, labels, channels, gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Floats, Integers
from models.kinds.multilabel import has_of, rarest_of
from models.kinds.regression import tenths_of
from simulate.world.tables import Table, Words
from simulate.world.tables.marks import MARKED
from simulate.world.tables.missing import DROP, REFUSE
from simulate.world.tables.roles import Roles
from simulate.world.tables.rows import Rows, labels_in, read_rows, windows_of

_NO_SITE = "(none)"


@dataclass(frozen=True)
class Channel:
    """The finite values of one channel, and how many of its readings are missing."""

    name: str
    lowest: float
    mean: float
    highest: float
    missing: int


@dataclass(frozen=True)
class Facts:
    """``rows`` are those that are whole; ``count`` is the number of all.

    ``rows_without_words`` lack a label or a site. ``labelled``: a column says the label.
    ``labels_N`` are places in ``labels``, ``site_of_N`` in ``sites``. ``rows_of`` (S, K) counts the
    rows of each site and label.
    """

    source: str
    count: int
    shape: tuple[int, ...]
    rows: Rows
    labels: tuple[str, ...]
    labels_N: Integers
    sites: tuple[str, ...]
    site_of_N: Integers
    rows_of: Integers
    channels: tuple[Channel, ...]
    rows_with_gaps: int
    rows_without_words: int
    notes: tuple[str, ...]
    numeric: bool
    labelled: bool
    scored: bool
    """Whether labels, which may be missing, say only what is known to be anomalous."""
    several: bool = False
    """Whether a row can have several labels; ``labels_N`` are the rarest of them then."""

    def of_sets(self, names: tuple[str, ...]) -> "Facts":
        """The same where the rows have sets of labels with these ``names``."""
        has_NK = has_of(self.rows.y_N, len(names))
        rows_of = np.zeros((len(self.sites), len(names)), np.int64)
        np.add.at(rows_of, self.site_of_N, has_NK.astype(np.int64))
        rarest_N = rarest_of(self.rows.y_N, len(names), self.rows.y_N)
        return replace(self, labels=names, labels_N=rarest_N, rows_of=rows_of, several=True)

    @property
    def rows_of_site(self) -> list[int]:
        """How many rows each site has."""
        counts: list[int] = np.bincount(self.site_of_N, minlength=len(self.sites)).tolist()
        return counts

    @property
    def has_sites(self) -> bool:
        """Whether a column says the site."""
        return self.rows.site_N is not None

    @property
    def only_tested(self) -> tuple[str, ...]:
        """Sites of which a column of the split holds out every row: none of them trains."""
        if (held_out_N := self.rows.held_out_N) is None or not self.has_sites:
            return ()
        trains = {self.sites[place] for place in np.unique(self.site_of_N[~held_out_N])}
        return tuple(name for name in self.sites if name not in trains)

    def as_json(self) -> Mapping[str, Any]:
        """The facts, without the rows themselves."""
        return {
            "rows": self.count,
            "window_shape": list(self.shape),
            "sites": dict(zip(self.sites, self.rows_of_site, strict=True))
            if self.has_sites
            else None,
            "sites_for_test_alone": list(self.only_tested),
            "labels": {
                label: {"rows": int(rows.sum()), "sites": int((rows > 0).sum())}
                for label, rows in zip(self.labels, self.rows_of.T, strict=True)
            },
            "channels": [vars(channel) for channel in self.channels],
            "rows_with_gaps": self.rows_with_gaps,
            "rows_without_label_or_site": self.rows_without_words,
            "notes": list(self.notes),
        }


def facts_of(
    table: Table,
    roles: Roles,
    missing: str,
    center: float | Sequence[float] | None,
    channels: Sequence[str] | None,
    *,
    numeric: bool = False,
    marks: Words | None = None,
    scored: bool = False,
) -> Facts:
    """The facts of ``table``; where gaps would be refused, the rows with some are left out.

    ``numeric``: labels are numbers, of which each tenth counts as one label. ``marks`` are in place
    of labels, and say what is known to be anomalous where windows are ``scored``.

    Raises:
        InvalidData: the file can't be read in these roles.
    """
    read = raw, _ = windows_of(table, roles)
    words = marks or labels_in(table, roles, numeric=numeric)
    unless = DROP if missing == REFUSE else missing
    rows = read_rows(table, roles, unless, center, read, labels=words)
    names = None if marks else rows.labels
    labels, labels_N = _tenths(rows.y_N) if numeric else _indexed(rows.y_N, names)
    labels = tuple(MARKED[int(label)] for label in labels) if scored else labels
    nowhere_N = np.full(len(rows.y_N), _NO_SITE)
    sites, site_of_N = _indexed(nowhere_N if rows.site_N is None else rows.site_N, None)
    rows_of = np.zeros((len(sites), len(labels)), np.int64)
    np.add.at(rows_of, (site_of_N, labels_N), 1)
    return Facts(
        source=table.source,
        count=len(raw),
        shape=raw.shape[1:],
        rows=rows,
        labels=labels,
        labels_N=labels_N,
        sites=sites,
        site_of_N=site_of_N,
        rows_of=rows_of,
        channels=_channels(raw, tuple(map(str, channels or rows.channels or ()))),
        rows_with_gaps=int((~np.isfinite(raw)).reshape(len(raw), -1).any(axis=1).sum()),
        rows_without_words=_without_words(table, roles, words),
        notes=tuple(note for note in rows.notes if missing != REFUSE or not _is_of_gaps(note)),
        numeric=numeric,
        labelled=roles.label is not None,
        scored=scored,
    )


def _without_words(table: Table, roles: Roles, labels: Words) -> int:
    """How many rows have no label, or no site where a column says it."""
    missing = [labels.missing_N, *([table.words(roles.site).missing_N] if roles.site else [])]
    return int(np.any(missing, axis=0).sum())


def _tenths(y_N: NDArray[Any]) -> tuple[tuple[str, ...], Integers]:
    """From where to where each tenth of the numbers lies, and that of each row."""
    found, place_N = np.unique(tenths_of(y_N, y_N), return_inverse=True)
    parts = [y_N[place_N == place] for place in range(len(found))]
    names = tuple(f"{part.min():.6g} to {part.max():.6g}" for part in parts)
    return names, place_N.astype(np.int64)


def _is_of_gaps(note: str) -> bool:
    """Whether it says what became of rows with gaps, which nobody has chosen yet."""
    return note.startswith("data.missing=")


def _indexed(
    values_N: NDArray[Any], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], Integers]:
    """The different values as text, and the place of each row's; ``names`` of 0, 1, ..."""
    found, index_N = np.unique(values_N, return_inverse=True)
    texts = [str(value) for value in found.tolist()]
    if names is not None and all(text.isdecimal() and int(text) < len(names) for text in texts):
        texts = [names[int(text)] for text in texts]
    return tuple(texts), index_N.astype(np.int64)


def _channels(raw: Floats, names: tuple[str, ...]) -> tuple[Channel, ...]:
    axis = 2 if raw.ndim == 3 else 1
    count = raw.shape[axis]
    if len(names) != count:
        names = tuple(f"c{place}" for place in range(count))
    return tuple(_channel(name, np.take(raw, place, axis=axis)) for place, name in enumerate(names))


def _channel(name: str, values: Floats) -> Channel:
    there = values[np.isfinite(values)].astype(np.float64)
    if not len(there):
        return Channel(name, 0.0, 0.0, 0.0, int(values.size))
    gaps = int(values.size - len(there))
    return Channel(name, float(there.min()), float(there.mean()), float(there.max()), gaps)
