"""A hostile server reads error replies: no text of an exception leaves a site, nor its class."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict

from fl_client.app import SiteApp, SiteFailure
from fl_client.federation.reply_cache import IdempotencyKey, ReplyCache
from fl_client.federation.responder import Responder
from fl_client.federation.trainer import MessageHandler, ResidentTrainer
from fl_client.site.participation import Site, any_plan
from fl_common.plan import Instruction
from fl_common.wire import messages as wire
from fl_common.wire.failure import SENTENCE, UNREADABLE
from simulate.engines.loopback import CohortResponder, identify_process
from tests.support.box import device_plan
from tests.support.samples import windows

SECRET = "/homes/patient-4711/answers: 3 windows of label falling"
FAULTS = [OSError(28, SECRET), MemoryError(SECRET), ValueError(SECRET), KeyError(SECRET)]
PARAMETERS = {"weight": np.zeros((3, 16), np.float32), "bias": np.zeros(3, np.float32)}


def message(kind: str = "train") -> Message:
    identify_process()
    instruction = Instruction(device_plan(), 1, PARAMETERS)
    asked = Message(wire.InstructionWriter(instruction).content(), 7, kind, group_id="1")
    asked.metadata.__dict__["_message_id"] = "1"
    return asked


def raising(fault: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise fault

    return fail


def broken_app(fault: Exception) -> SiteApp:
    site = Site("anna", -1, windows, windows, any_plan)
    return SiteApp(lambda config: site, raising(fault))


@pytest.mark.parametrize("kind", ["train", "evaluate", wire.SHADOW])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_every_exception_is_the_same_reply(tmp_path: Path, fault: Exception, kind: str) -> None:
    kind = f"query.{kind}" if kind == wire.SHADOW else kind
    reply = Responder(broken_app(fault), ReplyCache(tmp_path, 1 << 20), {})(message(kind))
    assert reply.error.reason == SENTENCE


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_every_exception_is_the_same_reply_in_one_process(fault: Exception) -> None:
    (reply,) = CohortResponder(broken_app(fault), 8)([message()])
    assert reply.error.reason == SENTENCE
    with pytest.raises(SiteFailure) as raised:  # as Flower's own process sends it
        broken_app(fault)(message(), Context(1, 7, {}, RecordDict(), {}))
    assert str(raised.value) == SENTENCE
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("part", ["find", "keep"])
def test_a_cache_that_can_not_be_used_loses_no_reply(
    tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ReplyCache(tmp_path, 1 << 20)
    key = IdempotencyKey("train", device_plan().run, 1, message().content.object_id)
    if part == "find":
        cache._path(key).mkdir()
    else:
        monkeypatch.setattr(cache, "keep", raising(FAULTS[0]))

    def app(asked: Message, context: Context) -> Message:
        return Message(RecordDict(), reply_to=asked)

    assert Responder(app, cache, {})(message()).has_content()  # type: ignore[arg-type]


def test_an_unreadable_message_is_told_in_fixed_words(tmp_path: Path) -> None:
    asked = message()
    asked.content["head"] = ConfigRecord({**asked.content["head"], "plan": f"{{{SECRET}}}"})  # type: ignore[dict-item]
    reply = Responder(broken_app(FAULTS[0]), ReplyCache(tmp_path, 1 << 20), {})(asked)
    assert reply.error.reason == UNREADABLE


def dying() -> MessageHandler:
    """In the trainer's process."""
    return lambda asked, without_data: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[return-value]


@pytest.mark.slow
def test_a_trainer_that_dies_is_told_as_one_that_raises() -> None:
    trainer = ResidentTrainer(partial(dying))
    try:
        assert trainer.answer(message(), lambda: True).error.reason == SENTENCE
    finally:
        trainer.rest()


def test_no_code_of_a_site_makes_an_error_reply_of_its_own() -> None:
    root = Path(wire.__file__).parents[2]
    makers = [
        str(path.relative_to(root))
        for package in ("fl_client", "fl_common", "simulate")
        for path in (root / package).rglob("*.py")
        if "Error(" in path.read_text() and "import" in path.read_text()
        and any("flwr.app" in line and "Error" in line for line in path.read_text().splitlines())
    ]  # fmt: skip
    assert makers == ["fl_common/wire/failure.py"]
