"""What is replied to an HTTP request: events, none, or why not; and what is counted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, unquote

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)

from fl_common.errors import InvalidData
from fl_common.wire.cloud_events import (
    STRUCTURED,
    CloudEvent,
    MqttEvent,
    from_mqtt,
    to_binary,
    to_structured,
)
from simulate.functions.answering import Answered, Answering

BATCH = "application/cloudevents-batch+json"
_JSON = "application/json"
_ATTRIBUTE = "ce-"
_AS_IT_IS = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%')
"""Characters of an attribute that are not percent-encoded (HTTP binding, section 3.1.3.2)."""
Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Reply:
    """A reply's status, its header fields but the length, and its body."""

    status: HTTPStatus
    fields: Fields
    body: bytes


class Replies:
    """Replies by ``answering``, and counts it; any thread may call it."""

    def __init__(self, answering: Answering) -> None:
        self._answering, self._registry = answering, CollectorRegistry()
        self._calls = Counter(
            "fl_fn_calls", "Requests by what came of them", ["outcome"], registry=self._registry
        )
        self._seconds = Histogram("fl_fn_seconds", "Of a call", registry=self._registry)
        self._fuel = Counter("fl_fn_fuel", "That calls used", registry=self._registry)
        for outcome in ("found", "nothing", "malformed", "failed", "deadline"):
            self._calls.labels(outcome)

    def __call__(self, method: str, path: str, fields: Fields, body: bytes) -> Reply:
        """The reply to a request whose header fields have lower-case names."""
        if method == "GET" and path == "/healthz":
            return _reply(HTTPStatus.OK, {"ok": True})
        if method == "GET" and path == "/metrics":
            body = generate_latest(self._registry)
            return Reply(HTTPStatus.OK, [("Content-Type", CONTENT_TYPE_LATEST)], body)
        if path != "/":
            return refused(HTTPStatus.NOT_FOUND, "POST / takes events; GET /healthz and /metrics")
        if method != "POST":
            return refused(HTTPStatus.METHOD_NOT_ALLOWED, "events are posted", ("Allow", "POST"))
        return self._answer(fields, body)

    def _answer(self, fields: Fields, body: bytes) -> Reply:
        try:
            given, is_structured = event_in(fields, body)
            answered = self._answering(given)
        except InvalidData as error:
            self._calls.labels("malformed").inc()
            return refused(HTTPStatus.BAD_REQUEST, str(error))
        self._seconds.observe(answered.outcome.seconds)
        self._fuel.inc(answered.outcome.fuel)
        if answered.failure is not None:
            return self._failed(answered)
        self._calls.labels("found" if answered.events else "nothing").inc()
        return _events(answered.events, is_structured=is_structured)

    def _failed(self, answered: Answered) -> Reply:
        failure = answered.failure
        assert failure is not None
        late = failure.cause == "time"
        self._calls.labels("deadline" if late else "failed").inc()
        status = HTTPStatus.GATEWAY_TIMEOUT if late else HTTPStatus.UNPROCESSABLE_ENTITY
        line = {} if failure.line is None else {"line": failure.line}
        return _reply(status, {"cause": failure.cause, "error": failure.text, **line})


def event_in(fields: Fields, body: bytes) -> tuple[CloudEvent, bool]:
    """The event of a request in either mode, and whether it is structured.

    Raises:
        InvalidData: it is none.
    """
    kinds = [value for name, value in fields if name == "content-type"]
    if len(kinds) > 1:
        raise InvalidData("the request", "has two content types", "Send one")
    attributes = tuple(
        (name.removeprefix(_ATTRIBUTE), _decoded(value))
        for name, value in fields
        if name.startswith(_ATTRIBUTE)
    )
    kind = kinds[0] if kinds else None
    structured = (kind or "").partition(";")[0].strip().lower() == STRUCTURED
    return from_mqtt(MqttEvent(kind, attributes, body)), structured


def _decoded(value: str) -> str:
    """Of an attribute that is percent-encoded UTF-8."""
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise InvalidData("an attribute", "is no percent-encoded UTF-8", "Encode it so") from None


def refused(status: HTTPStatus, why: str, *fields: tuple[str, str]) -> Reply:
    """A reply that says why there are no events."""
    return _reply(status, {"error": why}, *fields)


def _events(events: Sequence[CloudEvent], *, is_structured: bool) -> Reply:
    if not events:
        return Reply(HTTPStatus.NO_CONTENT, [], b"")
    if len(events) > 1:
        body = b"[" + b",".join(map(to_structured, events)) + b"]"
        return Reply(HTTPStatus.OK, [("Content-Type", BATCH)], body)
    if is_structured:
        return Reply(HTTPStatus.OK, [("Content-Type", STRUCTURED)], to_structured(events[0]))
    binary = to_binary(events[0])
    attributes = [
        (f"{_ATTRIBUTE}{name}", quote(value, safe=_AS_IT_IS))
        for name, value in binary.user_properties
    ]
    return Reply(HTTPStatus.OK, [("Content-Type", binary.content_type or _JSON), *attributes],
                 binary.payload)  # fmt: skip


def _reply(status: HTTPStatus, value: object, *fields: tuple[str, str]) -> Reply:
    return Reply(status, [("Content-Type", _JSON), *fields], json.dumps(value).encode() + b"\n")
