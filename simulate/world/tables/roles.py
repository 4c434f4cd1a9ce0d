"""Which column of a table is what: as declared, else by plain names, and then it is said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fl_common.errors import InvalidConfiguration, InvalidData
from simulate.world.tables import Kind, Table
from simulate.world.tables.suspects import is_index, numbers_among, unit_of_stamps

LABELS = (
    *("y", "label", "labels", "target", "targets", "class", "classes", "category"),
    *("activity", "fault", "diagnosis", "outcome"),
)
SITES = (
    *("site", "sites", "client", "subject", "subjects", "person", "participant", "user"),
    *("patient", "group", "groups", "machine", "device", "hospital", "station", "node", "owner"),
)
SPLITS = ("split", "is_test")
_WINDOWS = (
    *("x", "data", "features", "windows", "values", "inputs", "signals", "samples", "image"),
    *("images", "img", "pixels", "pixel_values"),
)
"""Plain names, small letters; the first that a table has is taken. A site's may end in ``_id``."""
INDEX = ("", "index", "id", "row", "unnamed:_0", "row_id")
STAMPS = ("time", "timestamp", "timestamps", "datetime", "date", "ts")
NO_SITE = NO_LABEL = "none"
"""``data.site`` where a rule is to divide the rows, whatever columns there are; ``data.label``
where no column is to be the label, for kinds that need none."""


@dataclass(frozen=True)
class Roles:
    """Columns by name. ``windows`` holds whole windows; None: each of ``channels`` is one channel.

    ``label`` is None where there is none, and none is needed.
    ``notes`` say what was guessed, and which columns are left out.
    """

    label: str | None
    site: str | None
    split: str | None
    windows: str | None
    channels: tuple[str, ...]
    notes: tuple[str, ...]


def roles_of(
    table: Table,
    site: str | None,
    label: str | None,
    channels: Sequence[str] | None,
    *,
    labelled: bool = True,
) -> Roles:
    """The roles of the columns of ``table``; None is guessed.

    ``labelled``: there must be a label. Otherwise ``label`` may be ``none``.

    Raises:
        InvalidConfiguration: a declared column is not there, or none that could be the label is.
        InvalidData: no column is left for a channel.
    """
    names, found_labels = table.names, _labels(table)
    chosen_label = None
    if labelled or label != NO_LABEL:
        chosen_label = _declared(table, "data.label", label) or next(iter(found_labels), None)
    if chosen_label is None and labelled:
        raise _no_label(table)
    sites = _found(names, [*SITES, *(f"{name}_id" for name in SITES)])
    found_sites = [name for name in sites if name != chosen_label]
    chosen_site = None
    if site != NO_SITE:
        chosen_site = _declared(table, "data.site", site) or next(iter(found_sites), None)
    split = next(iter(_found(names, SPLITS)), None)
    others = [name for name in names if name not in (chosen_label, chosen_site, split)]
    guessed = (
        ("labels", chosen_label, label is None and chosen_label not in (None, LABELS[0])),
        ("sites", chosen_site, site is None and chosen_site not in (None, SITES[0])),
    )
    told = [f"{what} are taken from column {name}" for what, name, is_guess in guessed if is_guess]
    windows = _windows(table, others, channels)
    if windows is not None:
        return Roles(chosen_label, chosen_site, split, windows, (), tuple(told))
    beside = {*found_labels, *found_sites}
    taken, left_out = _channels(table, others, beside, channels)
    return Roles(chosen_label, chosen_site, split, None, taken, (*told, *left_out))


def _labels(table: Table) -> list[str]:
    """Columns with a plain name of labels; beside a column ``x`` of numbers, ``y`` is an axis."""
    has_axes = "x" in table.names and table.kind("x") == Kind.NUMBER
    return _found(table.names, LABELS[1:] + LABELS[:1] if has_axes else LABELS)


def plain(name: str) -> str:
    """``name`` in small letters, words joined by one underscore."""
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())


def _found(names: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """Those of ``names`` that are plain, in the order of ``wanted``."""
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(plain(name), name)
    return [by_plain[word] for word in wanted if word in by_plain]


def _declared(table: Table, what: str, name: str | None) -> str | None:
    if name is None or str(name) in table.names:
        return None if name is None else str(name)
    raise InvalidConfiguration(
        f"{what}={name}",
        f"must be a column of {table.source}, which has {_listed(table.names)}",
        f"Correct {what}",
    )


def _no_label(table: Table) -> InvalidConfiguration:
    is_row = "; if the first line is a row, write a heading above it"
    return InvalidConfiguration(
        f"{table.source} with {_listed(table.names)}",
        "has no column with a plain name for the label (y, label, target, class, activity)",
        f"Name it: data.label=COLUMN{is_row if numbers_among(table.names) else ''}",
    )


def _windows(table: Table, names: Sequence[str], channels: Sequence[str] | None) -> str | None:
    """The column of whole windows, if there is one: by its name, or as the only one of its kind."""
    nested = [name for name in names if table.kind(name) == Kind.WINDOW]
    if channels and all(str(name) in names for name in channels):
        return str(channels[0]) if [*channels] == nested[:1] else None
    has_numbers = any(table.kind(name) == Kind.NUMBER for name in names)
    wanted = _WINDOWS[:1] if has_numbers else _WINDOWS
    odd = [name for name in _found(names, wanted) if table.kind(name) == Kind.OTHER]
    alone = nested if len(nested) == 1 else odd  # what is odd in x is told when it is read
    return next(iter([*_found(nested, _WINDOWS), *alone]), None)


def _channels(
    table: Table, names: Sequence[str], beside: set[str], declared: Sequence[str] | None
) -> tuple[tuple[str, ...], list[str]]:
    """The columns that are channels, and what is said of the others."""
    if declared is not None:
        return _chosen(table, names, declared), []
    kinds = {name: table.kind(name) for name in names if name not in beside}
    alike = [name for name in names if name in beside]
    wanted = Kind.WINDOW if Kind.WINDOW in kinds.values() else Kind.NUMBER
    reasons = {name: _why_not(table, name, kind, wanted) for name, kind in kinds.items()}
    taken = [name for name in kinds if reasons[name] is None]
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        by_reason.setdefault(reason or "", []).append(name)
    by_reason["as named like a label or a site"] = alike
    notes = [
        f"left out, {why}: {_listed(those)}" for why, those in by_reason.items() if why and those
    ]
    _check_named(table, names, taken)
    return tuple(taken), notes


def _why_not(table: Table, name: str, kind: Kind, wanted: Kind) -> str | None:
    """Why a column that nobody declared is no channel; None: it is one."""
    if kind == Kind.OTHER:
        return "as without a finite number or a text"
    if kind != wanted:
        return "as not numbers" if wanted == Kind.NUMBER else "as not windows, as the channels are"
    if kind == Kind.NUMBER and plain(name) in INDEX and is_index(table.numbers(name)):
        return "as the row's number"
    if kind == Kind.NUMBER and plain(name) in STAMPS and unit_of_stamps(table.numbers(name)):
        return "as stamps of time"
    return None


def _check_named(table: Table, names: Sequence[str], taken: Sequence[str]) -> None:
    """Raise InvalidData unless there are channels, each with a name of its own."""
    if not taken:
        raise InvalidData(
            f"{table.source} with {_listed(table.names)}",
            "has no column for a channel",
            "Give it a column x of windows, or one column of numbers for each channel",
        )
    if "" in taken:
        raise InvalidData(
            f"{table.source}: column {list(table.names).index('') + 1}",
            "has no name",
            "Name it, or choose the channels: data.channels=[NAME,NAME]",
        )
    if twice := [name for name in taken if list(names).count(name) > 1]:
        raise InvalidData(f"{table.source}: column {twice[0]!r}", "is there twice", "Rename one")


def _chosen(table: Table, names: Sequence[str], declared: Sequence[str]) -> tuple[str, ...]:
    declared = [str(name) for name in declared]
    if not declared:
        raise InvalidConfiguration(
            "data.channels=[]",
            "must name at least one column",
            "Name them, or set it to null to take all that are numbers",
        )
    if missing := [name for name in declared if name not in names]:
        raise InvalidConfiguration(
            f"data.channels with {missing[0]!r}",
            f"must be among the other columns of {table.source}: {_listed(names)}",
            "Correct data.channels, or set it to null to take all that are numbers",
        )
    return tuple(declared)


def _listed(names: Sequence[str]) -> str:
    """At most twenty names."""
    shown = ", ".join(name or "(no name)" for name in names[:20]) or "nothing"
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown
