"""Flower's grid, but an interrupted update delays nobody.

Flower's own waits in ``pull_messages`` for the rest of a reply, for minutes if a site's network was
cut, past the deadline of a round. Here what has arrived is kept, and the rest is requested at the
next poll.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from flwr.app import Error, Message
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.common.constant import ErrorCode
from flwr.common.serde import message_from_proto
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree
from flwr.proto.runtime_pb2 import PullAppMessagesRequest
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_protobuf_utils import make_pull_object_fn_protobuf
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectUnavailableError,
    inflate_object_from_contents,
)
from flwr.superlink.grid import HttpGrid

from fl_common.wire import ledger_head as wire_ledger
from fl_common.wire import messages as wire
from fl_server.cloud.witness import LedgerWitness

_logger = logging.getLogger(__name__)
_CHARGED = ("train", "evaluate", f"query.{wire.SHADOW}")
"""Messages that a site charges to its ledger."""


@dataclass
class _Arriving:
    """A reply of which ``contents`` have arrived and ``missing`` have not."""

    metadata: Metadata
    number: str
    missing: list[str]
    contents: dict[str, bytes] = field(default_factory=dict)


class PatientGrid(HttpGrid):
    """Returns only complete replies."""

    _arriving: dict[str, _Arriving] = {}  # noqa: RUF012 (replaced, never changed)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The complete replies to these messages that have arrived since the last poll."""
        asked = set(message_ids)
        arriving = {key: one for key, one in self._arriving.items() if key in asked}
        self._arriving = arriving | self._begun(asked - set(arriving))
        whole = []
        for key, one in list(self._arriving.items()):
            if (message := self._message(one)) is not None:
                del self._arriving[key]
                whole.append(message)
        return whole

    def _begun(self, asked: set[str]) -> dict[str, _Arriving]:
        """Replies that the SuperLink has begun to receive, by the message that they reply to."""
        if not asked:
            return {}
        client = self._runtime_client
        got = client.PullMessages(PullAppMessagesRequest(message_ids=sorted(asked)))
        pairs = zip(got.messages_list, got.message_object_trees, strict=True)
        found = [_arriving(message_from_proto(proto).metadata, tree) for proto, tree in pairs]
        return {one.metadata.reply_to_message_id: one for one in found}

    def _message(self, one: _Arriving) -> Message | None:
        """The reply; None if a part of it is still missing."""
        client, run = self._runtime_client, one.metadata.run_id
        pull = make_pull_object_fn_protobuf(client.PullObject, self.node, run)
        try:
            while one.missing:
                one.contents[one.missing[-1]] = pull(one.missing[-1])
                one.missing.pop()
        except ObjectUnavailableError:
            return None
        except ObjectPullError as error:
            return _unreadable(one, f"its reply was truncated ({error})")
        try:
            message = inflate_object_from_contents(one.number, one.contents)
            assert isinstance(message, Message)
        except Exception as error:  # a site may send anything
            return _unreadable(one, f"its reply can't be read ({type(error).__name__})")
        confirm = ConfirmMessageReceivedRequest(
            node=self.node, run_id=run, message_object_id=one.number
        )
        client.ConfirmMessageReceived(confirm)
        message.metadata.__dict__["_message_id"] = one.number
        return message


class WitnessedGrid(PatientGrid):
    """Tells each site the head of its ledger that it sent last, and remembers what it sends."""

    witness: LedgerWitness | None = None

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send them, each with the head that its node has sent."""
        return super().push_messages(with_heads(messages, self.witness))

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies since the last poll; what they say of ledgers is durable."""
        replies = list(super().pull_messages(message_ids))
        hear_heads(replies, self.witness)
        return replies


def with_heads(messages: Iterable[Message], witness: LedgerWitness | None) -> list[Message]:
    """``messages``, of which those that are charged say what ``witness`` knows of the ledger."""
    told = list(messages)
    for message in told:
        if witness and message.metadata.message_type in _CHARGED:
            wire_ledger.write_head(message.content, witness.of(message.metadata.dst_node_id))
    return told


def hear_heads(replies: Iterable[Message], witness: LedgerWitness | None) -> None:
    """Let ``witness`` remember, durably, what ``replies`` say of their sites' ledgers."""
    for reply in replies:
        node = reply.metadata.src_node_id
        try:
            head = wire_ledger.read_head(reply.content) if reply.has_content() else None
        except wire.WireError as error:
            _logger.warning("node %s: %s", node, error)
            continue
        if witness and head:
            witness.hear(node, head)
    if witness:
        witness.save()


def _unreadable(one: _Arriving, reason: str) -> Message:
    error = Error(ErrorCode.REPLY_MESSAGE_UNAVAILABLE, reason)
    return make_message(one.metadata, error=error)


def _arriving(metadata: Metadata, tree: ObjectTree) -> _Arriving:
    missing = [part.object_id for part in iterate_object_tree(tree)]
    return _Arriving(metadata, tree.object_id, missing)
