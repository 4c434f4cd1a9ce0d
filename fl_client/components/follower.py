"""A site's follower of the repository: it fetches, verifies and tries what production offers.

Nothing here stops inference. Errors are troubles, and the running version stays.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from fl_client.components.subscription import Subscription
from fl_client.functions.host import HostClosed
from fl_common.components.description import Kind
from fl_common.components.reader import Reader
from fl_common.components.refusals import reason_of
from fl_common.errors import BadInput, ComponentError
from fl_common.programs.troubles import Troubles

_METADATA, _OLD = "repository", "old components"
_REMEDIES = {
    "expired": "Have the repository's metadata signed anew, and check this box's clock",
    "unreachable": "Check the network, components.source and components.ca_file",
    "slow": "Check the network, or lower components.limits.bytes_per_second",
    "disk": "Free some space",
}
_REMEDY = "What runs stays. Have the one who publishes mend it, or promote another version"


class Follower:
    """Follows the components ``parts`` of ``reader``'s repository.

    Call ``resume`` first, before an engine reads the model's slot.
    """

    def __init__(self, reader: Reader, parts: Sequence[Subscription], troubles: Troubles) -> None:
        self._reader, self.parts, self.troubles = reader, parts, troubles
        self._polls: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._polling = threading.Lock()

    def resume(self) -> None:
        """Resume from disk after a restart; needs no connection to the repository."""
        for part in self.parts:
            self._try(_title(part), part.rollout.resume)

    def poll(self) -> bool:
        """Check the repository once and install what it offers; False if anything failed.

        Never raises for a fault of the repository, the network or the disk. A component that can't
        be installed does not hold up the others.
        """
        with self._polling:
            done = self._try(_METADATA, self._reader.refresh)
            for part in reversed(self.parts) if done else ():  # a model may require a function
                done &= self._try(_title(part), partial(part.follow, self._reader), part)
            if done:
                kept = set[str]().union(*(part.kept() for part in self.parts))
                done = self._try(_OLD, partial(self._reader.keep_only, kept))
            self._polls["done" if done else "failed"] += 1
            return done

    @property
    def trouble(self) -> str | None:
        """Why the last poll failed, or what it found does not run here; None if all is well."""
        own = {_METADATA, _OLD, *map(_title, self.parts)}
        causes = (found.cause for found in self.troubles.current() if found.part in own)
        return " ".join(causes) or None

    @property
    def polls(self) -> Mapping[str, int]:
        """How many polls were done, and how many failed, since the start."""
        return dict(self._polls)

    @property
    def refusals(self) -> Mapping[str, int]:
        """The number of failures by reason, a single word (``reason_of``)."""
        return dict(self._refusals)

    def status(self) -> dict[str, Any]:
        """The status of the model, and of functions and networks by name, as JSON values."""
        own = [part for part in self.parts if part.kind is Kind.MODEL and not part.is_network]
        return {
            **(own[0].status() if own else {}),
            "functions": _shown(part for part in self.parts if part.kind is Kind.FUNCTION),
            "networks": _shown(part for part in self.parts if part.is_network),
            "trouble": self.trouble,
        }

    def _try(self, what: str, step: Callable[[], None], part: Subscription | None = None) -> bool:
        """Do ``step``; False if it failed: a trouble, as is an offer that ``part`` refuses."""
        try:
            step()
        except HostClosed:  # the node stops, and begins with this again at its next start
            return False
        except (ComponentError, BadInput, OSError) as error:
            reason = reason_of(error)
            self._refusals[reason] += 1
            cause = f"is not updated, what runs stays: {str(error).rstrip('.')}"
            self.troubles.begin(what, cause, _REMEDIES.get(reason, _REMEDY))
            return False
        if part is not None and part.refused is not None:
            self.troubles.begin(what, part.refused, _REMEDY)
        else:
            self.troubles.end(what)
        return True


def _shown(parts: Iterable[Subscription]) -> dict[str, Any]:
    return {part.name: part.status() for part in parts}


def _title(part: Subscription) -> str:
    return f"updates of {'network' if part.is_network else part.kind} {part.name}"
