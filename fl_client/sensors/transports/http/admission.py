"""Whether a request may post a message, decided from its head alone (RFC 9110)."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

import h11

from fl_client.sensors.transports.http.access import Access, names_this_machine

_LONGEST_KEY = 200
_UNCODED = (b"", b"identity")
_PACKED = (b"gzip", b"x-gzip", b"deflate")


class Refused(Exception):
    """A response other than success: its status, and the reason, a word for the count."""

    def __init__(self, status: HTTPStatus, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


@dataclass(frozen=True)
class Head:
    """A request's head: the topic, the sender's key or nothing, and whether the body is packed."""

    address: str
    key: str
    is_packed: bool


class Admission:
    """Admits requests to ``topics``, by path, with a body of at most ``payload_bytes``.

    A client without the token learns nothing else. Browsers are refused, and so, without a token,
    are requests that name another host than this machine: no web page can post through a browser.
    """

    def __init__(self, access: Access, topics: Mapping[str, str], payload_bytes: int) -> None:
        self._access, self._topics, self._payload_bytes = access, topics, payload_bytes

    def head(self, request: h11.Request) -> Head:
        """The head of an admitted request.

        Raises:
            Refused: it may not post.
        """
        fields = dict(request.headers)
        if not self._access.allows(fields.get(b"authorization", b"")):
            raise Refused(HTTPStatus.UNAUTHORIZED, "unauthorized", **{"WWW-Authenticate": "Bearer"})
        if b"origin" in fields or (
            self._access.open and not names_this_machine(fields.get(b"host", b""))
        ):
            raise Refused(HTTPStatus.FORBIDDEN, "browser")
        path = unquote(urlsplit(request.target.decode("ascii", "replace")).path, errors="replace")
        topic = self._topics.get(path)
        if topic is None:
            raise Refused(HTTPStatus.NOT_FOUND, "address")
        if request.method != b"POST":
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "method", Allow="POST")
        encoding = fields.get(b"content-encoding", b"").lower()
        if encoding not in (*_UNCODED, *_PACKED):
            takes = {"Accept-Encoding": "gzip, deflate"}
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoding", **takes)
        if int(fields.get(b"content-length", b"0")) > self._payload_bytes:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "size")
        key = _key(fields.get(b"idempotency-key", b""))
        return Head(topic, key, encoding in _PACKED)


def _key(value: bytes) -> str:
    """The sender's key: plain, or in quotes as in the IETF's draft of the field."""
    try:
        key = value.decode("ascii").strip('"')
    except UnicodeDecodeError:
        key = "\n"
    if len(key) > _LONGEST_KEY or not key.isprintable():
        raise Refused(HTTPStatus.BAD_REQUEST, "key")
    return key
