"""Message in, reply out: the installed ClientApp, and the cache of replies that have left."""

import logging
import traceback
from collections.abc import Mapping

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity

from fl_client.federation.reply_cache import IdempotencyKey, ReplyCache
from fl_common.errors import JoinTheDotsError
from fl_common.wire import messages as wire
from fl_common.wire import summary as wire_log

_logger = logging.getLogger(__name__)
_APP_RAISED = 2
_ASKED_ONCE = ("train", "evaluate")
Values = Mapping[str, bool | float | int | str]


class Responder:
    """Answers with ``app`` what ``kept`` has no answer for.

    A refusal is not kept: it spends nothing that an answer to a second question would spend again,
    and what stood in the way may be gone.
    """

    def __init__(self, app: ClientApp, kept: ReplyCache, node_config: Values) -> None:
        self._app, self._kept, self._config = app, kept, dict(node_config)
        self._reader = wire.InstructionReader()

    def __call__(self, message: Message) -> Message:
        """The reply; an error reply where the app raises, as Flower's own ClientApp process."""
        identify(message)
        try:
            return self._answer(message)
        except Exception as error:
            if not isinstance(error, JoinTheDotsError):
                _logger.error("%s", traceback.format_exc())
            return Message(Error(_APP_RAISED, str(error)[:500]), reply_to=message)

    def _answer(self, message: Message) -> Message:
        question = self._question(message)
        if question is None:
            return self._asked(message)
        if (kept := self._kept.find(question)) is not None:
            _logger.info(
                "run %s, round %d: asked again; answered as before, not trained or charged again",
                question.run,
                question.round,
            )
            return Message(kept, reply_to=message)
        reply = self._asked(message)
        if wire_log.read_reason(reply.content) is None:
            self._kept.keep(question, reply.content)
        return reply

    def _question(self, message: Message) -> IdempotencyKey | None:
        kind = message.metadata.message_type
        if kind not in _ASKED_ONCE:
            return None
        instruction = self._reader.read(message.content)
        digest = message.content.object_id
        return IdempotencyKey(kind, instruction.plan.run, instruction.round, digest)

    def _asked(self, message: Message) -> Message:
        numbers = message.metadata
        context = Context(numbers.run_id, numbers.dst_node_id, self._config, RecordDict(), {})
        return self._app(message, context)


def identify(message: Message) -> None:
    """Give this process the identity that ``Message()`` reads (a private name of flwr 1.41)."""
    TaskIdentity.task_id, TaskIdentity.run_id = 1, message.metadata.run_id
    TaskIdentity.node_id = message.metadata.dst_node_id
