"""One session with a SuperLink's Fleet API: opened with the site's key, kept alive by heartbeats.

Flower's own SuperNode starts a process for every message, runs code that the server sends, and
polls every three seconds. This speaks the same protocol, with the same client classes of flwr, and
does none of these. A contract test checks the names of flwr that it relies on.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.error import FlowerError
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectPushError,
    inflate_object_from_contents,
    pull_objects,
)
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient

from fl_client.federation.bounds import MOST_PARTS, Bounded, MessageTooLarge
from fl_client.federation.open_session import OpenSession
from fl_client.federation.server_time import ServerTime, SigningInterceptor
from fl_common.configuration.addresses import endpoint
from fl_common.configuration.rules import inside, require
from fl_common.errors import InvalidConfiguration, JoinTheDotsError

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")
_SEEN_GONE_S = 2.0
"""After the end of a session that was left open: the server has to see, at one of its looks several
times a second, that the answers it waits for don't come."""


class AdmissionRefused(JoinTheDotsError):
    """The server does not admit this site."""


class Unreachable(JoinTheDotsError):
    """No connection to the server, or none that can be trusted."""


class RunOver(JoinTheDotsError):
    """The run of a message has ended: its reply is no longer wanted."""


@dataclass(frozen=True)
class Address:
    """The server's ``host:port``, and the files by which each side authenticates the other.

    ``heartbeat_s``: a site counts as gone twice this time after its last heartbeat (Flower takes 10
    and more).
    """

    server: str
    ca_file: Path
    key_file: Path
    heartbeat_s: float

    def __post_init__(self) -> None:
        endpoint("federation.server", self.server)
        require("federation.heartbeat_s", self.heartbeat_s, inside("[10, 1800]"))

    def key(self) -> EllipticCurvePrivateKey:
        """The site's private key.

        Raises:
            InvalidConfiguration: the file is missing or holds no elliptic-curve key.
        """
        try:
            key = load_pem_private_key(self.key_file.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise _unusable("key_file", self.key_file, str(error)) from error
        if not isinstance(key, EllipticCurvePrivateKey):
            raise _unusable("key_file", self.key_file, "it holds no elliptic-curve key")
        return key

    def client(self, time: ServerTime) -> FleetHttpClient:
        """A client that signs each request with the site's key, at the server's ``time``."""
        signing = SigningInterceptor(self.key(), time)
        version = RuntimeVersionHttpInterceptor(component_name="SuperNode")
        try:
            authority = self.ca_file.read_bytes()
            return FleetHttpClient.from_server_address(
                self.server, False, authority, interceptors=[version, signing]
            )
        except (OSError, ValueError) as error:
            raise _unusable("ca_file", self.ca_file, str(error)) from error


def _unusable(name: str, path: Path, why: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"federation.{name}={path}", f"can't be used ({why})", "See: fl-server enroll SITE"
    )


@dataclass
class Upload:
    """A ``reply`` that took ``seconds`` to make, and its parts that the server still lacks."""

    reply: Message
    seconds: float
    session: str | None = None
    missing: list[str] = field(default_factory=list)


class Connection:
    """A session of this node; used as a context manager, which ends it.

    Raises (on entry, and in each method):
        AdmissionRefused: the key is unknown or revoked, or the last session has not expired.
        Unreachable: no connection that can be trusted; try again later.
        RunOver: the message's run has ended.
    """

    def __init__(self, address: Address, time: ServerTime, session: OpenSession) -> None:
        self._address, self._time, self._session = address, time, session
        self._client = address.client(time)
        self._over = threading.Event()
        self._node = Node()

    def __enter__(self) -> Self:
        key = public_key_to_bytes(self._address.key().public_key())
        request = ActivateNodeRequest(public_key=key, heartbeat_interval=self._address.heartbeat_s)
        if (left := self._session.node()) is not None:
            self._close(left)
            self._over.wait(_SEEN_GONE_S)
        self._node = Node(node_id=self._call(lambda: self._client.ActivateNode(request)).node_id)
        self._session.opened(self.node)
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._close(self.node)
        self._client.close()

    def _close(self, node: int) -> None:
        """End the session of ``node``; what a server refuses is not open there."""
        try:
            request = DeactivateNodeRequest(node_id=node)
            self._call(lambda: self._client.DeactivateNode(request))
        except Unreachable as problem:
            _logger.info("the session could not be closed at the server: %s", problem)
            return
        except JoinTheDotsError as problem:
            _logger.info("the session is not open at the server: %s", problem)
        self._session.closed()

    @property
    def node(self) -> int:
        """Flower's number for this node; it stays the same while the node's key is registered."""
        return int(self._node.node_id)

    def pull(self) -> Message | None:
        """The next message with its content; None if there is none, or one that is too large."""
        got = self._call(lambda: self._client.PullMessages(PullMessagesRequest(node=self._node)))
        if not got.messages_list:
            return None
        run = message_from_proto(got.messages_list[0]).metadata.run_id
        tree = got.message_object_trees[0]
        pull = Bounded(make_pull_object_fn_protobuf(self._client.PullObject, self._node, run))
        wanted = [part.object_id for part in islice(iterate_object_tree(tree), MOST_PARTS + 1)]
        try:
            contents = (
                self._call(lambda: pull_objects(wanted, pull)) if len(wanted) <= MOST_PARTS else {}
            )
        except MessageTooLarge:
            contents = {}
        confirm = ConfirmMessageReceivedRequest(
            node=self._node, run_id=run, message_object_id=tree.object_id
        )
        self._call(lambda: self._client.ConfirmMessageReceived(confirm))
        if not contents:
            _logger.error("a message of run %s is too large, and gets no answer", run)
            return None
        message = inflate_object_from_contents(tree.object_id, contents)
        assert isinstance(message, Message)
        message.metadata.__dict__["_message_id"] = tree.object_id
        return message

    def push(self, upload: "Upload") -> None:
        """Send a reply; if that fails, call this again to send the parts that are missing."""
        reply = upload.reply
        reply.metadata.__dict__["_message_id"] = reply.object_id
        with no_object_id_recompute():
            if upload.session is None:
                self._offer(upload)
            push = make_push_object_fn_protobuf(
                self._client.PushObject, self._node, reply.metadata.run_id, upload.session or ""
            )
            parts = get_all_nested_objects(reply) if upload.missing else {}
            while upload.missing:
                part = upload.missing[-1]
                try:
                    self._call(partial(push, part, parts[part].deflate()))
                except ObjectPushError as error:
                    _logger.info("the server has this part already, or does not want it: %s", error)
                upload.missing.pop()

    def _offer(self, upload: "Upload") -> None:
        """Announce the reply; the server returns which parts it wants."""
        reply = upload.reply
        request = PushMessagesRequest(
            node=self._node,
            messages_list=[message_to_proto(remove_content_from_message(reply))],
            message_object_trees=[get_object_tree(reply)],
            clientapp_runtime_list=[upload.seconds],
        )
        response = self._call(lambda: self._client.PushMessages(request))
        upload.session = response.session_id
        upload.missing = list(response.objects_to_push)

    def _beat(self) -> None:
        """Send heartbeats until the session ends; repeat a lost one soon."""
        interval = self._address.heartbeat_s
        request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=interval)
        wait_s = 0.0
        while not self._over.wait(wait_s):
            try:
                self._call(lambda: self._client.SendNodeHeartbeat(request))
                wait_s = interval / 2
            except JoinTheDotsError as error:
                _logger.debug("a heartbeat was lost: %s", error)
                wait_s = interval / 10

    def _call(self, call: Callable[[], _T]) -> _T:
        """The result of ``call``; every failure becomes an error of this module."""
        try:
            return call()
        except httpx.HTTPStatusError as error:
            raise _error_of(error.response, self._time) from error
        except (httpx.HTTPError, ObjectPullError) as error:
            raise Unreachable(_reason(error)) from error


def _error_of(response: httpx.Response, time: ServerTime) -> JoinTheDotsError:
    status, known = response.status_code, FlowerError.from_json(response.text)
    words = f"{known.message} (code {known.code})" if known else response.reason_phrase
    if status == httpx.codes.FORBIDDEN:
        return RunOver(words)
    if status in (429, 502, 503, 504):
        return Unreachable(f"the server replied {status}: {words}")
    why = "The key is unknown there or was revoked, or its last session has not run out yet"
    return AdmissionRefused(f"the server replied {status}: {words}. {time.told() or why}")


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if "not yet valid" in text or "has expired" in text:
        text += f" by this box's clock, which reads {datetime.now(UTC):%Y-%m-%d %H:%M:%S UTC}"
    if "certificate" in text.lower():
        return f"the server's certificate is not to be trusted: {text}"
    return text
