"""The members of a grid in this process: node i + 1 is the site at position i."""

from collections.abc import Sequence
from typing import overload

from fl_server.rounds.roster import Member, Roster


class Members(Sequence[Member]):
    """A member for each of ``sites``, made when it is looked up: a million cost nothing."""

    def __init__(self, sites: Sequence[str]) -> None:
        self._sites = sites

    def __len__(self) -> int:
        return len(self._sites)

    @overload
    def __getitem__(self, position: int) -> Member: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Member]: ...
    def __getitem__(self, position: int | slice) -> Member | Sequence[Member]:
        if isinstance(position, slice):
            return [self[one] for one in range(*position.indices(len(self)))]
        return Member(range(1, len(self) + 1)[position], self._sites[position])


def roster_of(sites: Sequence[str]) -> Roster:
    """The roster of a grid whose nodes are numbered as ``sites`` are."""
    return lambda grid: Members(sites)
