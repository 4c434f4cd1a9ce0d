"""Tables for ``task=arrays``: a row is a vector, and each column but y, site and split a channel.

What a spreadsheet has, and what a data frame is, if no column ``x`` holds whole windows.
"""

from collections.abc import Sequence

from fl_common.errors import InvalidData

OTHERS = ("y", "site", "split")
"""Columns that are no channels."""


def channels_of(
    names: Sequence[str], declared: Sequence[str] | None, source: str
) -> tuple[str, ...]:
    """The channels of a table with columns ``names``: those ``declared``, else all that are left.

    Raises:
        InvalidData: a name twice, a column without a name, a declared one that is not there, or no
            channel.
    """
    found = tuple(name for name in names if name not in OTHERS)
    if declared is None and "" in found:
        raise InvalidData(
            f"{source}: column {list(names).index('') + 1}",
            "has no name",
            "Name it, or leave it out, as pandas does with to_csv(..., index=False); or choose the"
            " channels: world.channels=[NAME,NAME]",
        )
    if twice := [name for name in names if name and list(names).count(name) > 1]:
        raise InvalidData(f"{source}: column {twice[0]!r}", "is there twice", "Rename one")
    if missing := [name for name in declared or () if name not in found]:
        raise InvalidData(
            f"{source}: column {missing[0]!r} of world.channels",
            f"must be one of {', '.join(filter(None, found))}",
            "Correct world.channels, or set it to null to take them all",
        )
    if not found:
        raise InvalidData(
            f"{source} with {', '.join(names) or 'nothing'}",
            "has no column for a channel",
            "Give it a column x of windows, or one column for each channel",
        )
    return found if declared is None else tuple(declared)
