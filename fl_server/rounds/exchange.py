"""Messages to many sites, and their replies as they arrive."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fl_common.wire import summary as wire_log
from fl_server.rounds.roster import Member

RequestKind = Literal["train", "evaluate", "query.shadow", "query.running"]
"""Kinds of messages that a site replies to (``wire.SHADOW``, ``wire_running.RUNNING``)."""
_UNAVAILABLE = 3
"""Flower's code for a message that it has forgotten (``flwr.common.constant.ErrorCode``)."""
_AT_THE_END_S = 1.0
"""Flower drops a message at the deadline, and reports it with its own text at about that time."""
_NAMED = 5


@dataclass(frozen=True)
class Deadlines:
    """How long a server waits for replies, in seconds: in total, and between polls."""

    timeout_s: float
    poll_interval_s: float
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep


@dataclass
class Exchange:
    """Sends ``content`` to each of ``members``; ``errors`` says whose reply is missing, and why."""

    grid: Grid
    kind: RequestKind
    content: Callable[[], RecordDict]
    members: Sequence[Member]
    group: str
    deadlines: Deadlines
    bytes_down: int = 0
    errors: list[str] = field(default_factory=list)

    def replies(self) -> Iterator[tuple[Member, Message]]:
        """Replies as they arrive, one per message, until all are here or the time is up.

        Each comes with the member that it was asked of: that is whose reply it is.
        """
        deadlines, missing, late = self.deadlines, self._ask(), list[Member]()
        deadline = deadlines.clock() + deadlines.timeout_s
        while missing:
            arrived = False
            for reply in self.grid.pull_messages(list(missing)):
                arrived = True
                member = missing.pop(reply.metadata.reply_to_message_id, None)
                if member is None:
                    continue  # a second reply to one message does not count
                if not reply.has_error():
                    yield member, reply
                elif (
                    reply.error.code == _UNAVAILABLE
                    and deadlines.clock() >= deadline - _AT_THE_END_S
                ):
                    late.append(member)
                else:
                    why = reply.error.reason or f"error {reply.error.code}"
                    self.errors.append(f"{member}: {why}")
            if missing and deadlines.clock() >= deadline:
                late += missing.values()
                break
            if missing and not arrived:
                deadlines.wait(deadlines.poll_interval_s)
        if late:
            self._give_up(late)

    def _ask(self) -> dict[str, Member]:
        """Send to all; the members by the ids of their messages."""
        ttl = self.deadlines.timeout_s  # a site that connects later must not train and be charged
        messages = [
            Message(self.content(), member.node, self.kind, group_id=self.group, ttl=ttl)
            for member in self.members
        ]
        if messages:  # all have the same content
            self.bytes_down = len(messages) * wire_log.count_bytes(messages[0].content)
        sent: dict[str, Member] = {}
        for number, member in zip(self.grid.push_messages(messages), self.members, strict=True):
            if number:
                sent[number] = member
            else:
                self.errors.append(f"{member}: its node is not known any more")
        return sent

    def _give_up(self, late: Sequence[Member]) -> None:
        names = ", ".join(member.site for member in late[:_NAMED])
        more = f" and {len(late) - _NAMED} more" if len(late) > _NAMED else ""
        self.errors.append(f"no answer in {self.deadlines.timeout_s:g} s from site {names}{more}")
