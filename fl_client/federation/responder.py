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
    """Replies from ``cache`` where it has the reply, else by calling ``app``.

    A refusal is not cached: it spends no privacy, and its cause may be gone at the next request.
    """

    def __init__(self, app: ClientApp, cache: ReplyCache, node_config: Values) -> None:
        self._app, self._cache, self._config = app, cache, dict(node_config)
        self._reader = wire.InstructionReader()

    def __call__(self, message: Message) -> Message:
        """The reply; an error reply if the app raises, as from Flower's own ClientApp process."""
        identify(message)
        try:
            return self._answer(message)
        except Exception as error:
            if not isinstance(error, JoinTheDotsError):
                _logger.error("%s", traceback.format_exc())
            return Message(Error(_APP_RAISED, str(error)[:500]), reply_to=message)

    def _answer(self, message: Message) -> Message:
        key = self._key(message)
        if key is None:
            return self._call_app(message)
        if (cached := self._cache.find(key)) is not None:
            _logger.info(
                "run %s, round %d: repeated request; sent the same reply, without training",
                key.run,
                key.round,
            )
            return Message(cached, reply_to=message)
        reply = self._call_app(message)
        if wire_log.read_reason(reply.content) is None:
            self._cache.keep(key, reply.content)
        return reply

    def _key(self, message: Message) -> IdempotencyKey | None:
        kind = message.metadata.message_type
        if kind not in _ASKED_ONCE:
            return None
        instruction = self._reader.read(message.content)
        digest = message.content.object_id
        return IdempotencyKey(kind, instruction.plan.run, instruction.round, digest)

    def _call_app(self, message: Message) -> Message:
        numbers = message.metadata
        context = Context(numbers.run_id, numbers.dst_node_id, self._config, RecordDict(), {})
        return self._app(message, context)


def identify(message: Message) -> None:
    """Set the process identity that ``Message()`` reads (a private name of flwr 1.41)."""
    TaskIdentity.task_id, TaskIdentity.run_id = 1, message.metadata.run_id
    TaskIdentity.node_id = message.metadata.dst_node_id
