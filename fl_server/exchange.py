"""Messages to many sites, and their replies as they arrive."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fl_common import wire

Question = Literal["train", "evaluate", "query.shadow", "query.running"]
"""Kinds of messages that a site answers (``wire.SHADOW``, ``wire_running.RUNNING``)."""


@dataclass(frozen=True)
class Patience:
    """How long a server waits for answers, in seconds: in all, and between two looks for them."""

    timeout_s: float
    poll_interval_s: float
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep


@dataclass
class Exchange:
    """The same ``content`` to each of ``nodes``; ``missing`` counts those that did not answer."""

    grid: Grid
    kind: Question
    content: Callable[[], RecordDict]
    nodes: Sequence[int]
    group: str
    patience: Patience
    bytes_down: int = 0
    missing: int = 0

    def replies(self) -> Iterator[Message]:
        """Replies as they arrive, one for each message, until all are here or the time is up."""
        patience, ttl = self.patience, self.patience.timeout_s
        messages = [
            Message(self.content(), node, self.kind, group_id=self.group, ttl=ttl)
            for node in self.nodes
        ]
        self.bytes_down = sum(wire.count_bytes(message.content) for message in messages)
        missing = set(self.grid.push_messages(messages))
        deadline = patience.clock() + patience.timeout_s
        while missing:
            arrived = False
            for reply in self.grid.pull_messages(list(missing)):
                arrived = True
                if (answered := reply.metadata.reply_to_message_id) in missing:
                    missing.discard(answered)  # a second answer to one message does not count
                    yield reply
            if missing and patience.clock() >= deadline:
                self.missing = len(missing)
                return
            if missing and not arrived:
                patience.wait(patience.poll_interval_s)

    def late(self) -> list[str]:
        """A line where sites did not answer in time; else none."""
        return [f"{self.missing} sites did not answer in time"] if self.missing else []
