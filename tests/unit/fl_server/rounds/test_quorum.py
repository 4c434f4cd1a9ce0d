"""A round goes on without the late: when, whom it says, and what becomes of their answers."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from flwr.app import Error, Message, RecordDict

from fl_common.errors import InvalidConfiguration
from fl_common.wire import messages as wire
from fl_server.rounds.exchange import Deadlines, Exchange
from fl_server.rounds.latecomers import Latecomers
from fl_server.rounds.quorum import EVERYBODY, Quorum
from fl_server.rounds.roster import Member
from simulate.engines.loopback import identify_process
from simulate.engines.slow import SimulatedTime

TIMEOUT_S, GRACE_S = 600.0, 10.0
HALF = Quorum(0.6, GRACE_S)


class TimedGrid:
    """Node n answers ``seconds_of[n]`` after it is asked; those that ``fail`` with an error."""

    def __init__(
        self, seconds_of: Mapping[int, float], time: SimulatedTime, fail: Sequence[int] = ()
    ) -> None:
        identify_process()
        self._seconds_of, self._time, self._fail = seconds_of, time, fail
        self._due: dict[str, tuple[float, Message]] = {}
        self.asked: list[Message] = []

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        numbers = []
        for message in messages:
            number = f"{len(self.asked)}"
            message.metadata.__dict__["_message_id"] = number
            self.asked.append(message)
            due = self._time() + self._seconds_of[message.metadata.dst_node_id]
            self._due[number] = due, message
            numbers.append(number)
        return numbers

    def pull_messages(self, numbers: Iterable[str]) -> list[Message]:
        ready = [n for n in numbers if n in self._due and self._due[n][0] <= self._time()]
        return [self._reply(self._due.pop(number)[1]) for number in ready]

    def _reply(self, message: Message) -> Message:
        failed = message.metadata.dst_node_id in self._fail
        return Message(Error(2, "no") if failed else RecordDict(), reply_to=message)


def members_of(seconds_of: Mapping[int, float]) -> list[Member]:
    return [Member(node, f"s{node}") for node in seconds_of]


def exchanged(
    grid: Any,
    members: Sequence[Member],
    time: SimulatedTime,
    quorum: Quorum = HALF,
    latecomers: Latecomers | None = None,
    useless: Sequence[int] = (),
) -> tuple[Exchange, list[int]]:
    """The exchange when it is over, and the nodes whose answers it took."""
    deadlines = Deadlines(TIMEOUT_S, 0.5, time, time.wait, quorum)
    late = latecomers or Latecomers(time)
    exchange = Exchange(grid, "train", wire.empty, members, "1", deadlines, late)
    taken: list[int] = []

    def take(member: Member, reply: Message) -> bool:
        taken.append(member.node)
        return member.node not in useless

    exchange.collect(take)
    return exchange, taken


def test_one_silent_site_holds_up_the_round_for_the_grace_alone() -> None:
    time, seconds_of = SimulatedTime(), {1: 1.0, 2: 2.0, 3: 3.0, 4: 8.0, 5: 1e9}
    exchange, taken = exchanged(TimedGrid(seconds_of, time), members_of(seconds_of), time)
    assert taken == [1, 2, 3, 4], "the fourth comes within the grace"
    assert 3.0 + GRACE_S <= time() <= 3.0 + GRACE_S + 1.0
    assert [member.site for member in exchange.late] == ["s5"]
    assert exchange.errors == [
        "not waited for, as 4 of 5 sites had answered and 10 s were over: site s5"
    ]


def test_a_site_is_told_of_the_whole_time_whatever_the_quorum() -> None:
    """Else whether it answers would depend on how fast the others are."""
    time, seconds_of = SimulatedTime(), {1: 0.0, 2: 0.0, 3: 0.0, 4: 1e9}
    grid = TimedGrid(seconds_of, time)
    exchanged(grid, members_of(seconds_of), time)
    assert {message.metadata.ttl for message in grid.asked} == {TIMEOUT_S}


def test_without_a_quorum_every_site_has_until_the_deadline() -> None:
    time, seconds_of = SimulatedTime(), {1: 0.0, 2: 0.0, 3: 0.0, 4: 599.0}
    grid = TimedGrid(seconds_of, time)
    assert exchanged(grid, members_of(seconds_of), time, EVERYBODY)[1] == [1, 2, 3, 4]


def test_who_says_no_is_not_waited_for_and_makes_no_quorum() -> None:
    """Three of five say no or send junk: the quorum of the other two is both of them."""
    time, seconds_of = SimulatedTime(), {1: 0.0, 2: 0.0, 3: 0.0, 4: 1.0, 5: 100.0}
    grid = TimedGrid(seconds_of, time, fail=[1])
    _, taken = exchanged(grid, members_of(seconds_of), time, useless=[2, 3])
    assert taken == [2, 3, 4, 5]


@pytest.mark.parametrize(("sites", "wanted"), [(10, 6), (4, 3), (3, 3), (2, 2), (1, 1), (0, 0)])
def test_a_quorum_has_enough_updates_to_compare(sites: int, wanted: int) -> None:
    assert HALF.of(sites) == wanted


def test_a_quorum_has_the_minimum_of_a_round() -> None:
    assert Quorum(0.6, 0.0, minimum=9).of(10) == 9


@pytest.mark.parametrize("share", [0.5, 0.0, 1.1])
def test_less_than_a_majority_is_no_quorum(share: float) -> None:
    with pytest.raises(InvalidConfiguration, match=r"strategy\.quorum"):
        Quorum(share, 0.0)


def test_a_late_answer_counts_nowhere_and_its_site_is_asked_again_after_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    time, seconds_of = SimulatedTime(), {1: 0.0, 2: 0.0, 3: 0.0, 4: 60.0}
    grid, late, everybody = TimedGrid(seconds_of, time), Latecomers(time), members_of(seconds_of)
    any_grid: Any = grid
    exchanged(grid, everybody, time, latecomers=late)
    late.collect(any_grid)
    free = late.free(everybody)
    assert [member.node for member in free] == [1, 2, 3], "it is still at work"
    time.wait(60.0)
    assert exchanged(grid, free, time, latecomers=late)[1] == [1, 2, 3]
    late.collect(any_grid)
    assert late.free(everybody) == everybody
    assert "site s4 answered train 1 late: it counts nowhere" in caplog.text


def test_a_site_that_never_answers_is_asked_again_when_its_time_is_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    time, seconds_of = SimulatedTime(), {1: 0.0, 2: 0.0, 3: 0.0, 4: 1e9}
    grid: Any = TimedGrid(seconds_of, time)
    late, everybody = Latecomers(time), members_of(seconds_of)
    exchanged(grid, everybody, time, latecomers=late)
    time.wait(TIMEOUT_S)
    late.collect(grid)
    assert late.free(everybody) == everybody
    assert "no answer of site s4 to train 1: its time is up" in caplog.text


def test_a_late_answer_that_is_an_error_is_told_and_its_site_is_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    time, seconds_of = SimulatedTime(), {1: 0.0, 2: 0.0, 3: 0.0, 4: 60.0}
    grid: Any = TimedGrid(seconds_of, time, fail=[4])
    late, everybody = Latecomers(time), members_of(seconds_of)
    exchanged(grid, everybody, time, latecomers=late)
    time.wait(60.0)
    late.collect(grid)
    assert late.free(everybody) == everybody
    assert "no answer of site s4 to train 1 any more: no" in caplog.text
