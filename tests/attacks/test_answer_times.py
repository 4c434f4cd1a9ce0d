"""A hostile server times each answer: it says nothing of how long the site has worked."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from fl_client.clock.guard import Instant
from fl_client.clock.machine import Machine
from fl_client.federation.build import build_server_time
from fl_client.federation.connection import Address, Connection, Upload
from fl_client.federation.link import Link, PollingIntervals
from fl_client.federation.open_session import OpenSession
from fl_client.federation.traffic import TrafficRecord
from fl_client.federation.trainer import ResidentTrainer
from fl_client.release.schedule import Schedule
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.none import NoPrivacy
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from fl_common.wire import messages as wire
from fl_common.wire.failure import CLOCK, failed
from fl_common.wire.summary import read_work
from simulate.engines.loopback import identify_process
from tests.support import samples

PARAMETERS = {"weight": np.zeros((3, 16), np.float32), "bias": np.zeros(3, np.float32)}
PLAN = samples.plan(samples.WINDOW_PRIVACY, seed=None)
UPDATE = wire.write_answer(LocalUpdate("anna", "run", 1, PARAMETERS, 1.0))
REFUSAL = wire.write_answer(Refusal("anna", "run", 1, RefusalReason.PRIVACY, "no"))
BEGAN_NS = 1_790_000_000 * 10**9
REPLIES: dict[str, Callable[[Message], Message]] = {
    "an update": lambda asked: Message(UPDATE, reply_to=asked),
    "a refusal": lambda asked: Message(REFUSAL, reply_to=asked),
    "an error": failed,
}


def message(plan: RunPlan = PLAN, kind: str = "train", ttl: float = 600.0) -> Message:
    identify_process()
    content = wire.InstructionWriter(Instruction(plan, 1, PARAMETERS)).content()
    asked = Message(content, 7, kind, group_id="1", ttl=ttl)
    asked.metadata.__dict__["_message_id"] = "1"
    return asked


class Working(ResidentTrainer):
    """A trainer that takes its time, which is virtual."""

    def __init__(self, box: "Box", reply: Callable[[Message], Message]) -> None:
        self._box, self._reply = box, reply

    def start(self) -> None:
        self._box.now += self._box.starting

    def answer(self, message: Message, goes_on: Any) -> Message:
        self._box.now += self._box.works
        return self._reply(message)


class Box(Connection):
    """A link in virtual time, and the times at which the server has what it sent."""

    def __init__(self, folder: Path, reply: Callable[[Message], Message]) -> None:
        self.now, self.works, self.starting = 0.0, 0.0, 0.0
        self.seen: list[tuple[float, float]] = []
        self.stamps: list[tuple[float, float]] = []
        self.errors: list[str | None] = []
        self.link = Link(
            Address("server:1", folder, folder, 30),
            Working(self, reply),
            PollingIntervals(1, 1, 1, 1, 1),
            threading.Event(),
            TrafficRecord(folder / "training.json"),
            Schedule(folder / "slots.json", lambda: self.now, self._wait),
            build_server_time(folder, Machine(self.clocks, str, bool)),
            OpenSession(folder / "session.json"),
            lambda: self.now,
        )
        self.jump_s = 0

    def clocks(self) -> Instant:
        elapsed_ns = round(self.now * 10**9)
        return Instant(BEGAN_NS + elapsed_ns + self.jump_s * 10**9, elapsed_ns)

    def push(self, upload: Upload) -> None:
        self.seen.append((self.now, upload.seconds))
        metadata = upload.reply.metadata
        self.stamps.append((metadata.created_at, metadata.ttl))
        reply = upload.reply
        self.errors.append(reply.error.reason if reply.has_error() else None)

    def _wait(self, seconds: float) -> None:
        self.now += seconds

    def answers(self, works: float, asked: Message) -> tuple[float, float]:
        """When the answer leaves, and what it says that it took."""
        began, self.works = self.now, works
        self.link._answer(self, asked)
        left, told = self.seen[-1]
        return round(left - began, 6), round(told, 6)


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize("kind", ["train", "evaluate", "query.shadow"])
def test_work_of_any_length_leaves_at_the_same_time(tmp_path: Path, kind: str, reply: Any) -> None:
    box = Box(tmp_path, reply)
    found = {box.answers(works, message(kind=kind)) for works in (0.0, 0.01, 0.2, 0.4)}
    assert found == {(0.5, 0.5)}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize("patience", [0.1, 600.0], ids=["too soon", "patient"])
def test_no_clock_of_the_box_is_in_an_answer(tmp_path: Path, reply: Any, patience: float) -> None:
    """Flower stamps a reply as training ends, which is before it leaves."""
    box, asked = Box(tmp_path, reply), message(ttl=patience)
    box.answers(0.2, asked)
    assert box.stamps == [(asked.metadata.created_at, asked.metadata.ttl)]


def test_longer_work_moves_the_time_once_and_for_all(tmp_path: Path) -> None:
    box = Box(tmp_path, REPLIES["an update"])
    found = [box.answers(works, message()) for works in (0.2, 1.5, 0.2, 1.5, 0.0)]
    grown = pytest.approx(0.5 * 1.25**5, abs=1e-6)
    assert [left for left, _ in found] == [0.5, grown, grown, grown, grown]
    assert all(left == told for left, told in found)


def test_how_long_the_server_waits_asks_nothing_about_the_work(tmp_path: Path) -> None:
    """A server that gives about as much time as the work takes sees no bit of it."""
    box = Box(tmp_path, REPLIES["an update"])
    box.answers(1.5, message())
    found = {box.answers(works, message(ttl=1.8)) for works in (0.1, 1.4, 1.45)}
    assert len(found) == 1
    assert box.answers(0.1, message(ttl=0.9)) == (0.0, 0.0), "refused before any work"


def test_an_answer_that_is_late_tells_no_more_than_that(tmp_path: Path) -> None:
    """A server that gives no more time than the slot takes sees that it was not enough."""
    box = Box(tmp_path, REPLIES["an update"])
    assert box.answers(0.2, message(ttl=0.56)) == (0.5, 0.5)
    found = {box.answers(works, message(ttl=0.56)) for works in (0.52, 0.7, 0.98)}
    assert found == {(1.0, 0.5)}


def test_a_server_that_waits_a_little_longer_each_time_grows_a_slot_so_often_alone(
    tmp_path: Path,
) -> None:
    """Else each growth would say that the work ended between one deadline and the next."""
    box, slot, grown = Box(tmp_path, REPLIES["an update"]), 0.5, 0
    while slot < 600:
        left, _ = box.answers(slot * 1.0005, message(ttl=slot * 1.001 / 0.9))
        assert left > 0
        slot, grown = left, grown + 1
    assert grown < 140


def test_a_trainer_that_has_to_start_first_moves_no_slot(tmp_path: Path) -> None:
    box = Box(tmp_path, REPLIES["an update"])
    box.starting = 9.0
    assert box.answers(0.2, message()) == (9.5, 0.5)


@pytest.mark.parametrize("kind", ["train", "evaluate", "query.shadow"])
def test_a_clock_in_doubt_is_told_at_once_whatever_the_data(tmp_path: Path, kind: str) -> None:
    """The days that would be charged are wrong; nothing that a sensor sent is part of the doubt."""
    box = Box(tmp_path, REPLIES["an update"])
    assert box.answers(0.2, message(kind=kind)) == (0.5, 0.5)
    box.jump_s = 60 * 86_400
    assert box.answers(0.2, message(kind=kind)) == (0.0, 0.0), "refused before any work"
    assert box.errors == [None, CLOCK]
    box.jump_s = 0
    assert box.answers(0.2, message(kind=kind)) == (0.5, 0.5)


def test_without_noise_to_protect_nothing_waits(tmp_path: Path) -> None:
    box = Box(tmp_path, REPLIES["an update"])
    for plan in (replace(PLAN, privacy=NoPrivacy("examples")), replace(PLAN, seed=1)):
        assert box.answers(0.2, message(plan)) == (0.2, 0.2)


def test_the_amount_of_work_is_read_off_the_message_alone() -> None:
    small = read_work(message().content)
    more = replace(samples.WINDOW_PRIVACY, steps=400)
    large = read_work(message(replace(PLAN, privacy=more)).content)
    assert small is not None
    assert large is not None
    assert int(large.removeprefix("2^")) - int(small.removeprefix("2^")) in (6, 7)
    assert read_work(wire.empty()) is None
