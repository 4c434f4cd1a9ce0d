"""Message in, reply out: the installed ClientApp, and the cache of replies that have left."""

import logging
from collections.abc import Mapping

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity

from fl_client.app import WITHOUT_DATA, SiteFailure
from fl_client.federation.reply_cache import IdempotencyKey, ReplyCache
from fl_common.errors import BadInput
from fl_common.wire import ledger_head as wire_ledger
from fl_common.wire import messages as wire
from fl_common.wire import summary as wire_log
from fl_common.wire.failure import failed, why_unreadable

_logger = logging.getLogger(__name__)
_ASKED_ONCE = ("train", "evaluate")
Values = Mapping[str, bool | float | int | str]


class Responder:
    """Replies from ``cache`` where it has the reply, else by calling ``app``.

    A refusal is not cached: it spends no privacy, and its cause may be gone at the next request.
    """

    def __init__(self, app: ClientApp, cache: ReplyCache, node_config: Values) -> None:
        self._app, self._cache, self._config = app, cache, dict(node_config)
        self._reader = wire.InstructionReader()

    def __call__(self, message: Message, without_data: bool = False) -> Message:
        """The reply; an error reply if the app raises, in words that tell nothing of the site.

        ``without_data``: a process died of this message, and the reply is that of a site without
        data; an error where the plan has no noise to hide that.
        """
        identify(message)
        if without_data and wire_log.read_work(message.content) is None:
            return failed(message)
        try:
            return self._answer(message, without_data)
        except SiteFailure as error:  # it is in the log
            return failed(message, str(error))
        except Exception:
            _logger.exception("a message could not be answered")
            return failed(message)

    def _answer(self, message: Message, without_data: bool) -> Message:
        key = self._key(message)
        if key is None:
            return self._call_app(message, without_data)
        if (cached := self._cache.find(key)) is not None:
            _logger.info(
                "run %s, round %d: repeated request; sent the same reply, without training",
                key.run,
                key.round,
            )
            return Message(cached, reply_to=message)
        reply = self._call_app(message, without_data)
        if wire_log.read_reason(reply.content) is None:
            self._keep(key, reply.content)
        return reply

    def _keep(self, key: IdempotencyKey, content: RecordDict) -> None:
        """Cache the reply; where that fails it leaves all the same, as it is charged."""
        try:
            self._cache.keep(key, content)
        except OSError:
            _logger.exception(
                "run %s, round %d: the reply can't be kept; a repeated request is charged again",
                key.run,
                key.round,
            )

    def _key(self, message: Message) -> IdempotencyKey | None:
        kind = message.metadata.message_type
        if kind not in _ASKED_ONCE:
            return None
        try:
            instruction = self._reader.read(message.content)
        except (wire.WireError, BadInput) as error:
            _logger.exception("a message can't be read")
            raise SiteFailure(why_unreadable(error)) from None
        digest = wire_ledger.without_head(message.content).object_id
        return IdempotencyKey(kind, instruction.plan.run, instruction.round, digest)

    def _call_app(self, message: Message, without_data: bool) -> Message:
        numbers = message.metadata
        config = {**self._config, WITHOUT_DATA: True} if without_data else self._config
        context = Context(numbers.run_id, numbers.dst_node_id, config, RecordDict(), {})
        return self._app(message, context)


def identify(message: Message) -> None:
    """Set the process identity that ``Message()`` reads (a private name of flwr)."""
    TaskIdentity.task_id, TaskIdentity.run_id = 1, message.metadata.run_id
    TaskIdentity.node_id = message.metadata.dst_node_id
