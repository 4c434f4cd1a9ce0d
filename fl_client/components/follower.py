"""A site's follower of the repository: it fetches, verifies and tries what production offers.

Nothing here stops inference. Errors are reported (log, ``status``), and the running version stays.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fl_client.components.subscription import Subscription
from fl_common.components.description import Kind
from fl_common.components.reader import Reader
from fl_common.components.refusals import reason_of
from fl_common.errors import BadInput, ComponentError

_log = logging.getLogger(__name__)
_METADATA = "the repository"


class Follower:
    """Follows the components ``parts`` of ``reader``'s repository; the first is the model.

    Call ``resume`` first, before an engine reads the model's slot.
    """

    def __init__(self, reader: Reader, parts: Sequence[Subscription]) -> None:
        self._reader, self.parts = reader, parts
        self._troubles: dict[str, str] = {}
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
            for part in self.parts if done else ():
                done &= self._try(_title(part), partial(part.follow, self._reader))
            if done:
                kept = set[str]().union(*(part.kept() for part in self.parts))
                done = self._try("old components", partial(self._reader.keep_only, kept))
            self._polls["done" if done else "failed"] += 1
            return done

    @property
    def trouble(self) -> str | None:
        """Why the last poll failed; None if it did not."""
        return " ".join(self._troubles.values()) or None

    @property
    def polls(self) -> Mapping[str, int]:
        """How many polls were done, and how many failed, since the start."""
        return dict(self._polls)

    @property
    def refusals(self) -> Mapping[str, int]:
        """The number of failures by reason, a single word (``reason_of``)."""
        return dict(self._refusals)

    def status(self) -> dict[str, Any]:
        """The status of the model, and of the functions by name, as JSON values."""
        model, *functions = self.parts
        return {
            **model.status(),
            "functions": {part.name: part.status() for part in functions},
            "trouble": self.trouble,
        }

    def _try(self, what: str, step: Callable[[], None]) -> bool:
        try:
            step()
        except (ComponentError, BadInput, OSError) as error:
            self._refusals[reason_of(error)] += 1
            if self._troubles.get(what) != str(error):
                _log.error("%s can't be updated, the running version stays: %s", what, error)
            self._troubles[what] = str(error)
            return False
        if self._troubles.pop(what, None) is not None:
            _log.info("%s can be updated again", what)
        return True


def _title(part: Subscription) -> str:
    return part.name if part.kind is Kind.MODEL else f"{part.kind} {part.name}"
