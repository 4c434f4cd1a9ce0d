"""The resident trainer: one process for many messages, replaced when it dies."""

import os
import signal
from collections.abc import Iterator

import pytest
from flwr.app import Message, RecordDict

from fl_client.federation.responder import identify
from fl_client.federation.trainer import MessageHandler, ResidentTrainer
from fl_common.wire.failure import SENTENCE
from simulate.engines.loopback import identify_process


def echoing() -> MessageHandler:
    """In the trainer's process: what came, or the end of the process."""

    def answer(message: Message, without_data: bool) -> Message:
        identify(message)
        if message.metadata.group_id == "die" or (
            message.metadata.group_id == "die of data" and not without_data
        ):
            os.kill(os.getpid(), signal.SIGKILL)
        return Message(message.content, reply_to=message)

    return answer


def always() -> bool:
    return True


def asked(group: str) -> Message:
    identify_process()
    message = Message(RecordDict(), 7, "train", group_id=group)
    message.metadata.__dict__["_message_id"] = group
    return message


@pytest.fixture
def trainer() -> Iterator[ResidentTrainer]:
    trainer = ResidentTrainer(echoing)
    yield trainer
    trainer.rest()


@pytest.mark.slow
def test_one_process_answers_all_and_ends_to_rest(trainer: ResidentTrainer) -> None:
    assert trainer.pid is None
    assert trainer.answer(asked("1"), always).has_content()
    pid = trainer.pid
    assert trainer.answer(asked("2"), always).has_content()
    assert trainer.pid == pid
    trainer.rest()
    assert trainer.pid is None
    assert trainer.answer(asked("3"), always).has_content()


@pytest.mark.slow
def test_a_trainer_that_dies_is_one_error_and_the_next_message_starts_another(
    trainer: ResidentTrainer,
) -> None:
    trainer.answer(asked("1"), always)
    reply = trainer.answer(asked("die"), always)
    assert reply.has_error()
    assert reply.error.reason == SENTENCE
    assert trainer.answer(asked("2"), always).has_content()


@pytest.mark.slow
def test_a_trainer_that_dies_of_its_data_is_one_without_data(trainer: ResidentTrainer) -> None:
    assert trainer.answer(asked("die of data"), always).has_content()
    first = trainer.pid
    assert trainer.answer(asked("die of data"), lambda: False).has_error(), "the link ends"
    assert trainer.pid is None
    assert first is not None
