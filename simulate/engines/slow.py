"""Slow sites, in simulated time: what a round does without them, in no more time of the machine.

A slow site trains and charges when it is asked, as every site, but its reply arrives later. The
time is moved by who waits, so that a run is the same on any machine.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fl_common.configuration.rules import above, at_least, inside, require_fields


@dataclass
class SimulatedTime:
    """Seconds that pass only where somebody waits."""

    now: float = 0.0

    def __call__(self) -> float:
        """The seconds that have passed."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Let that time pass."""
        self.now += seconds


@dataclass(frozen=True)
class SlowSites:
    """A ``share`` of the sites whose replies take ``seconds``; those of the others ``others_s``.

    Which ones depends on nothing but their position: they are spread evenly.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    share: float
    seconds: float
    others_s: float

    def __post_init__(self) -> None:
        rules = {"others_s": above(0), "seconds": at_least(self.others_s)}
        require_fields("engine.slow", self, share=inside("[0, 1]"), **rules)

    def is_slow(self, position: int) -> bool:
        """Whether the site at ``position`` is one of them."""
        return int((position + 1) * self.share + 1e-9) > int(position * self.share + 1e-9)


@dataclass
class DelayingGrid(Grid):
    """``inner``, whose node i + 1 is the site at position i, with the replies of slow sites late.

    The time that the others take passes as they are asked, so that no reply of theirs is held. A
    reply that comes after its message's time is up never arrives, as in Flower.
    """

    inner: Grid
    slow: SlowSites
    time: SimulatedTime
    _due: dict[str, float] = field(default_factory=dict)
    _held: dict[str, Message] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        """As ``inner``."""
        return self.inner.run

    def set_run(self, run: Run) -> None:
        """As ``inner``."""
        self.inner.set_run(run)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """As ``inner``."""
        return self.inner.create_message(content, message_type, dst_node_id, group_id, ttl)

    def get_node_ids(self) -> Iterable[int]:
        """As ``inner``."""
        return self.inner.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send them; when their replies arrive is settled here."""
        sent = list(messages)
        numbers, seconds = list(self.inner.push_messages(sent)), self.slow.seconds
        for number, message in zip(numbers, sent, strict=True):
            if self.slow.is_slow(message.metadata.dst_node_id - 1):
                in_time = seconds <= message.metadata.ttl
                self._due[number] = self.time() + seconds if in_time else float("inf")
        if any(number not in self._due for number in numbers):
            self.time.wait(self.slow.others_s)
        return numbers

    def pull_messages(self, message_ids: Iterable[str]) -> Iterator[Message]:
        """The replies that have arrived; those of slow sites are made with the others."""
        wanted = list(message_ids)
        for reply in self.inner.pull_messages(wanted):
            number = reply.metadata.reply_to_message_id
            due = self._due.pop(number, 0.0)
            if due <= self.time():
                yield reply
            elif due < float("inf"):
                self._held[number], self._due[number] = reply, due
        for number in [n for n in wanted if n in self._held and self._due[n] <= self.time()]:
            del self._due[number]
            yield self._held.pop(number)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """As ``inner``: who asks so waits for every reply."""
        return list(self.inner.send_and_receive(messages, timeout=timeout))
