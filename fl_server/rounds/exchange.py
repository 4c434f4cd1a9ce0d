"""Messages to many sites, and their replies as they arrive."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fl_common.wire import summary as wire_log
from fl_server.rounds.latecomers import Latecomers
from fl_server.rounds.quorum import EVERYBODY, Quorum
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
    """How long a server waits for replies, in seconds: in total, and between polls.

    Once the ``quorum`` has answered it waits no longer than the grace. What a site is told of the
    time that it has is ``timeout_s`` all the same: whether it answers must not depend on others.
    """

    timeout_s: float
    poll_interval_s: float
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    quorum: Quorum = EVERYBODY


Take = Callable[[Member, Message], bool]
"""Takes a reply; false for one that is of no use: a refusal, or one that can't be read."""


@dataclass
class Exchange:
    """Sends ``content`` to each of ``members``; ``errors`` says whose reply is missing, and why.

    ``late`` are those that it went on without; ``latecomers`` remembers their messages.
    """

    grid: Grid
    kind: RequestKind
    content: Callable[[], RecordDict]
    members: Sequence[Member]
    group: str
    deadlines: Deadlines
    latecomers: Latecomers = field(default_factory=Latecomers)
    bytes_down: int = 0
    errors: list[str] = field(default_factory=list)
    late: list[Member] = field(default_factory=list)
    _useful: int = 0
    _useless: int = 0

    def collect(self, take: Take) -> None:
        """Give replies to ``take`` as they arrive, one per message, until the time is up.

        Each comes with the member that it was asked of: that is whose reply it is.
        """
        clock, missing = self.deadlines.clock, self._ask()
        timeout = clock() + self.deadlines.timeout_s
        deadline = timeout
        while missing:
            arrived = False
            for reply in self.grid.pull_messages(list(missing)):
                arrived = True
                member = missing.pop(reply.metadata.reply_to_message_id, None)
                if member is not None:  # a second reply to one message does not count
                    self._taken(member, reply, take, timeout)
            if deadline == timeout and self._is_quorate():
                deadline = min(timeout, clock() + self.deadlines.quorum.grace_s)
            if missing and clock() >= deadline:
                self.late += missing.values()
                self.latecomers.add(missing, f"{self.kind} {self.group}", timeout)
                break
            if missing and not arrived:
                self.deadlines.wait(self.deadlines.poll_interval_s)
        if self.late:
            self._say_late(is_over=clock() >= timeout - _AT_THE_END_S)

    def _taken(self, member: Member, reply: Message, take: Take, timeout: float) -> None:
        if not reply.has_error():
            is_useful = take(member, reply)
            self._useful += is_useful
            self._useless += not is_useful
            return
        self._useless += 1
        is_over = self.deadlines.clock() >= timeout - _AT_THE_END_S
        if reply.error.code == _UNAVAILABLE and is_over:
            self.late.append(member)
        else:
            why = reply.error.reason or f"error {reply.error.code}"
            self.errors.append(f"{member}: {why}")

    def _is_quorate(self) -> bool:
        able = len(self.members) - self._useless
        return self._useful >= self.deadlines.quorum.of(able)

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
                self._useless += 1
                self.errors.append(f"{member}: its node is not known any more")
        return sent

    def _say_late(self, *, is_over: bool) -> None:
        names = ", ".join(member.site for member in self.late[:_NAMED])
        more = f" and {len(self.late) - _NAMED} more" if len(self.late) > _NAMED else ""
        if is_over:
            words = f"no answer in {self.deadlines.timeout_s:g} s from site {names}{more}"
        else:
            words = (
                f"not waited for, as {self._useful} of {len(self.members)} sites had answered and"
                f" {self.deadlines.quorum.grace_s:g} s were over: site {names}{more}"
            )
        self.errors.append(words)
