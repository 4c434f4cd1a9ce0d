"""Who takes part: each node of the grid with the name of the site that it is.

The name comes from whoever let the node in (the key under which the site was enrolled, the position
that an engine gave it), never from what the node says of itself.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flwr.serverapp import Grid

from fl_common.errors import RunFailed
from fl_common.wire.messages import WireError


@dataclass(frozen=True, order=True)
class Member:
    """The node that is the site named ``site``."""

    node: int
    site: str

    def __str__(self) -> str:
        return f"site {self.site}"

    def check_name(self, claimed: str) -> None:
        """Raise WireError for an answer that names another site."""
        if claimed != self.site:
            raise WireError(f"its answer is in the name of site {claimed[:64]!r}")


Roster = Callable[[Grid], Sequence[Member]]
"""The members in a stable order; may be a lazy sequence."""


def checked_members(members: Iterable[Member]) -> list[Member]:
    """``members``, in order.

    Raises:
        RunFailed: two of them are one node, or have one name.
    """
    listed = list(members)
    for what in ("node", "site"):
        count = Counter(getattr(member, what) for member in listed)
        if twice := [one for one, times in count.items() if times > 1]:
            raise RunFailed(f"two members of the federation are {what} {twice[0]}")
    return listed
