"""Answers that have left: kept whole, found by what was asked alone, and few."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from fl_client.app import SiteApp
from fl_client.federation.reply_cache import IdempotencyKey, ReplyCache
from fl_client.federation.responder import Responder
from fl_client.site.participation import Site, any_plan
from fl_client.site.shortfalls import FILE, read_shortfalls
from fl_common.plan import Instruction
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from fl_common.wire import messages as wire
from simulate.engines.loopback import identify_process
from tests.support.box import Box, device_plan, trainer_of
from tests.support.samples import windows


def question(round_: int = 1, run: str = "r", **changes: Any) -> IdempotencyKey:
    return IdempotencyKey(
        **{"kind": "train", "run": run, "round": round_, "digest": "d", **changes}
    )


def content(value: float = 1.0, round_: int = 1) -> Any:
    delta = {"w": np.full(3, value, np.float32)}
    return wire.write_answer(LocalUpdate("anna", "r", round_, delta, 1.0))


def test_an_answer_is_found_by_all_of_the_question(tmp_path: Path) -> None:
    kept = ReplyCache(tmp_path, 1 << 20)
    kept.keep(question(), content(5.0))
    found = ReplyCache(tmp_path, 1 << 20).find(question())
    assert found is not None
    update = wire.read_answer(found, {"w": np.zeros(3, np.float32)})
    assert isinstance(update, LocalUpdate)
    assert update.delta["w"].tolist() == [5.0] * 3
    for other in (question(2), question(run="q"), question(digest="e"), question(kind="evaluate")):
        assert kept.find(other) is None


def test_the_newest_answers_are_kept_up_to_the_limit(tmp_path: Path) -> None:
    ReplyCache(tmp_path, 1).keep(question(), content())
    (path,) = tmp_path.iterdir()
    kept = ReplyCache(tmp_path, 3 * path.stat().st_size)
    for round_ in (1, 2, 3, 4, 5):
        kept.keep(question(round_), content())
        os.utime(max(tmp_path.iterdir(), key=lambda p: p.stat().st_mtime_ns), ns=(0, round_))
    found = [round_ for round_ in (1, 2, 3, 4, 5) if kept.find(question(round_)) is not None]
    assert found == [3, 4, 5]


def test_an_answer_above_the_limit_is_kept_until_the_next(tmp_path: Path) -> None:
    kept = ReplyCache(tmp_path, 1)
    for round_ in (1, 2):
        kept.keep(question(round_), content())
        assert kept.find(question(round_)) is not None
    assert kept.find(question(1)) is None


@pytest.mark.parametrize("cut", [0, 1, 40, 100])
def test_a_damaged_file_is_no_answer(tmp_path: Path, cut: int) -> None:
    kept = ReplyCache(tmp_path, 1 << 20)
    kept.keep(question(), content())
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    path.write_bytes(data[:cut] if cut < 100 else data[:-40] + bytes(40))
    assert kept.find(question()) is None


def message_for(round_: int, kind: str = "train") -> Message:
    identify_process()
    plan = device_plan(evaluation=EvaluationPlan(3.0, 4.0, 8.0))
    writer = wire.InstructionWriter(Instruction(plan, round_, parameters()))
    message = Message(writer.content(), 7, kind, group_id=str(round_))
    message.metadata.__dict__["_message_id"] = f"{round_}"
    return message


def parameters() -> Any:
    from models.nets import build_net, parameters_of

    plan = device_plan()
    return parameters_of(build_net(plan.net, plan.task, 0))


def test_a_repeated_round_is_not_trained_or_charged_again(tmp_path: Path) -> None:
    box = Box(tmp_path, trainer_of("opacus"))
    data = windows()
    site = Site("anna", -1, lambda: data, lambda: data, any_plan)
    app = SiteApp(lambda config: site, lambda: box.participation)
    first = Responder(app, ReplyCache(tmp_path / "answers", 1 << 20), {})(message_for(1))
    # a new process, as after a crash
    again = Responder(app, ReplyCache(tmp_path / "answers", 1 << 20), {})(message_for(1))
    assert first.content.object_id == again.content.object_id
    assert len(box.trainer.tasks) == 1
    assert len(list(box.ledger.entries("anna"))) == 1
    Responder(app, ReplyCache(tmp_path / "answers", 1 << 20), {})(message_for(2))
    assert len(list(box.ledger.entries("anna"))) == 2


def test_a_refusal_is_asked_for_again(tmp_path: Path) -> None:
    asked = []

    def refuse(message: Message, context: Any) -> Message:
        asked.append(context)
        refusal = Refusal("anna", "r", 1, RefusalReason.DATA, "too few")
        return Message(wire.write_answer(refusal), reply_to=message)

    kept = ReplyCache(tmp_path / "answers", 1 << 20)
    for _ in range(2):
        Responder(refuse, kept, {})(message_for(1))  # type: ignore[arg-type]
    assert len(asked) == 2


def test_an_app_that_raises_is_an_error_reply(tmp_path: Path) -> None:
    def fail(message: Message, context: Any) -> Message:
        raise ValueError("secret")

    kept = ReplyCache(tmp_path / "answers", 1 << 20)
    reply = Responder(fail, kept, {})(message_for(1))  # type: ignore[arg-type]
    assert reply.has_error()


@pytest.mark.parametrize("kind", ["train", "evaluate", f"query.{wire.SHADOW}"])
def test_windows_that_a_process_died_of_are_not_read_again(tmp_path: Path, kind: str) -> None:
    def read(*_: object) -> Any:
        raise AssertionError("read again")

    box, days = Box(tmp_path, trainer_of("cohort")), ("monday",)
    site = Site("anna", -1, read, read, any_plan, read, None, lambda: days, lambda: days)
    app = SiteApp(lambda config: site, lambda: box.participation)
    asked = message_for(1, kind)
    reply = Responder(app, ReplyCache(tmp_path / "answers", 1 << 20), {})(asked, without_data=True)
    assert not isinstance(wire.read_answer(reply.content, parameters()), Refusal)
    assert len(list(box.ledger.entries("anna"))) == 1
    assert read_shortfalls(tmp_path / FILE) == {"died": 1}
