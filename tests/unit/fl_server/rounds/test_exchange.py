"""Who has no answer, and what the server says of it: a grid that answers as Flower's may."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flwr.app import Error, Message, RecordDict
from flwr.common.constant import ErrorCode

from fl_common.wire import messages as wire
from fl_server.rounds.exchange import Deadlines, Exchange
from fl_server.rounds.roster import Member
from simulate.engines.loopback import identify_process

Reply = Callable[[Message], Message] | None
TIMEOUT_S = 5.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


class ScriptedGrid:
    """Nodes that answer with ``replies``; None never does, and ``gone`` are not known.

    At the deadline Flower itself gives up.
    """

    def __init__(self, replies: Mapping[int, Reply], gone: Sequence[int], clock: Clock) -> None:
        self._replies, self._gone, self._clock = replies, gone, clock
        self._waiting: dict[str, Message] = {}

    def push_messages(self, messages: Iterable[Message]) -> list[str | None]:
        numbers: list[str | None] = []
        for message in messages:
            node = message.metadata.dst_node_id
            message.metadata.__dict__["_message_id"] = str(node)
            self._waiting[str(node)] = message
            numbers.append(None if node in self._gone else str(node))
        return numbers

    def pull_messages(self, numbers: Sequence[str]) -> list[Message]:
        given_up = forgotten if self._clock() >= TIMEOUT_S else None
        asked = [(self._replies[int(n)] or given_up, self._waiting[n]) for n in numbers]
        return [reply(message) for reply, message in asked if reply is not None]


def answer(message: Message) -> Message:
    return Message(RecordDict(), reply_to=message)


def error(code: int, reason: str) -> Callable[[Message], Message]:
    return lambda message: Message(Error(code, reason), reply_to=message)


forgotten = error(ErrorCode.MESSAGE_UNAVAILABLE, "Message Unavailable")


def exchanged(replies: Mapping[int, Reply], gone: Sequence[int] = ()) -> tuple[int, list[str]]:
    """How many answers came, and the errors."""
    identify_process()
    clock = Clock()
    grid = ScriptedGrid(replies, gone, clock)
    deadlines = Deadlines(TIMEOUT_S, 0.5, clock, clock.wait)
    any_grid: Any = grid
    members = [Member(node, f"s{node}") for node in replies]
    exchange = Exchange(any_grid, "train", wire.empty, members, "1", deadlines)
    taken: list[Member] = []

    def take(member: Member, reply: Message) -> bool:
        taken.append(member)
        return True

    exchange.collect(take)
    return len(taken), exchange.errors


def test_a_node_that_does_not_answer_is_named() -> None:
    assert exchanged({7: answer, 8: None}) == (1, ["no answer in 5 s from site s8"])


def test_of_many_nodes_a_few_are_named() -> None:
    (line,) = exchanged(dict.fromkeys(range(1, 8)))[1]
    assert line == "no answer in 5 s from site s1, s2, s3, s4, s5 and 2 more"


def test_a_node_that_was_revoked_in_the_meantime_is_an_error_and_no_wait() -> None:
    answered, errors = exchanged({7: answer, 8: answer}, gone=[8])
    assert (answered, errors) == (1, ["site s8: its node is not known any more"])


def test_an_error_is_told_with_its_node() -> None:
    replies = {7: error(ErrorCode.NODE_UNAVAILABLE, "it is offline"), 8: answer}
    assert exchanged(replies) == (1, ["site s7: it is offline"])


def test_a_message_that_flower_forgets_early_is_an_error_of_its_own() -> None:
    assert exchanged({7: forgotten}) == (0, ["site s7: Message Unavailable"])
