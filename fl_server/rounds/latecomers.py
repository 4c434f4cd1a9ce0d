"""Sites that a round went on without, until they have answered or their time is up.

Such a site may still be at work. It is not asked again before it is done: a queue of messages would
cost it budget for rounds that are over. Its late answer is what it charged for, and counts nowhere.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flwr.serverapp import Grid

from fl_server.rounds.roster import Member

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Late:
    member: Member
    asked: str
    until: float


@dataclass
class Latecomers:
    """The messages without an answer, by their ids; ``clock`` gives seconds."""

    clock: Callable[[], float] = time.monotonic
    _waiting: dict[str, _Late] = field(default_factory=dict)

    def add(self, missing: Mapping[str, Member], asked: str, until: float) -> None:
        """Nobody waits for these messages any more, which sites may answer ``until`` then."""
        for number, member in missing.items():
            self._waiting[number] = _Late(member, asked, until)

    def collect(self, grid: Grid) -> None:
        """Take the answers that have come since, so that they lie nowhere and count nowhere."""
        replies = grid.pull_messages(list(self._waiting)) if self._waiting else ()
        for reply in replies:
            late = self._waiting.pop(reply.metadata.reply_to_message_id, None)
            if late is None:
                continue
            if reply.has_error():
                why = reply.error.reason or f"error {reply.error.code}"
                _logger.info("no answer of %s to %s any more: %s", late.member, late.asked, why)
            else:
                _logger.info(
                    "%s answered %s late: it counts nowhere, and what it charged stays charged",
                    late.member,
                    late.asked,
                )
        self._give_up(self.clock())

    def _give_up(self, now: float) -> None:
        """Wait no longer for those whose time is up."""
        for number, late in list(self._waiting.items()):
            if now >= late.until:
                del self._waiting[number]
                _logger.info("no answer of %s to %s: its time is up", late.member, late.asked)

    def free(self, members: Sequence[Member]) -> list[Member]:
        """Those of ``members`` that have answered all that they were asked."""
        busy = {late.member for late in self._waiting.values()}
        return [member for member in members if member not in busy]
