"""A site's follower of the repository: what production offers is taken, verified and tried.

Nothing here stops inference: whatever goes wrong is told (log, ``status``), and what runs goes on.
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

    ``resume`` comes first, before an engine reads the model's slot.
    """

    def __init__(self, reader: Reader, parts: Sequence[Subscription]) -> None:
        self._reader, self.parts = reader, parts
        self._troubles: dict[str, str] = {}
        self._polls: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._polling = threading.Lock()

    def resume(self) -> None:
        """Go on after a restart with what is on disk; needs no repository."""
        for part in self.parts:
            self._try(_title(part), part.switch.resume)

    def poll(self) -> bool:
        """Ask the repository once, and take over what it offers; False where that failed.

        Never raises for what a repository, a network or a disk does. One component that can't be
        taken keeps no other from it.
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
        """Why the last poll failed; None where it did not."""
        return " ".join(self._troubles.values()) or None

    @property
    def polls(self) -> Mapping[str, int]:
        """How many polls were done, and failed, since the start."""
        return dict(self._polls)

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often something failed, by its reason in a word (``reason_of``)."""
        return dict(self._refusals)

    def status(self) -> dict[str, Any]:
        """For people, as JSON values: the model's, and the functions' by name."""
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
                _log.error("updates of %s stop, what runs goes on: %s", what, error)
            self._troubles[what] = str(error)
            return False
        if self._troubles.pop(what, None) is not None:
            _log.info("updates of %s go on", what)
        return True


def _title(part: Subscription) -> str:
    return part.name if part.kind is Kind.MODEL else f"{part.kind} {part.name}"
