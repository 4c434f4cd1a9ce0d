"""``fl-fn serve``: CloudEvents over HTTP, on a real socket."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.functions.events import Event, FunctionEvent, Predicted
from fl_common.functions.sandbox.outcome import Failure
from simulate.functions.answering import Answering
from simulate.functions.replies import Replies
from simulate.functions.serving import Server
from tests.support.open_functions import Found, scripted

BINARY = {
    "ce-specversion": "1.0", "ce-id": "7", "ce-source": "urn:box", "ce-type": "any",
    "content-type": "application/json",
}  # fmt: skip
STRUCTURED = {"content-type": "application/cloudevents+json"}


def answer(event: Event, state: Mapping[str, str]) -> Found:
    """As many events as the label says, and how many calls its stream has had."""
    assert isinstance(event, Predicted)
    count = int(state.get("n", "0")) + 1
    if event.label in ("error", "time"):
        return [], state, Failure(event.label, "ValueError: no", 3)
    number = int(event.label)
    found = [FunctionEvent("found", {"call": count, "text": "é"}) for _ in range(number)]
    return found, {"n": str(count)}, None


def prediction(label: str, stream: str = "") -> dict[str, Any]:
    fields = {"start_ns": 0, "end_ns": 1, "names": [label], "values": [1.0], "stream": stream}
    return {"prediction": fields}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server("127.0.0.1", 0, Replies(Answering(scripted(answer)))) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        yield server
        server.stop()
        thread.join(120)
        assert not thread.is_alive()


@pytest.fixture
def client(server: Server) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    yield connection
    connection.close()


def asked(
    client: http.client.HTTPConnection, body: object, fields: Mapping[str, str] = BINARY
) -> tuple[int, dict[str, str], Any]:
    """Status, header fields and JSON value of a reply."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    client.request("POST", "/", content, dict(fields))
    reply = client.getresponse()
    head = {name.lower(): value for name, value in reply.getheaders()}
    content = reply.read()
    return reply.status, head, json.loads(content) if content else None


def test_one_event_is_answered_in_the_mode_of_the_request(
    client: http.client.HTTPConnection,
) -> None:
    status, head, data = asked(client, prediction("1", "press é"))
    assert (status, head["ce-id"], head["ce-type"]) == (
        200, "scripted/7/0", "org.jointhedots.found.v1"
    )  # fmt: skip
    assert head["ce-subject"] == "press%20%C3%A9"
    assert data == {
        "function": "scripted", "stream": "press é", "window_start_ns": 0, "call": 1, "text": "é"
    }  # fmt: skip
    event = {"specversion": "1.0", "id": "8", "source": "s", "type": "t"}
    status, head, found = asked(client, {**event, "data": prediction("1", "press é")}, STRUCTURED)
    assert (status, head["content-type"]) == (200, "application/cloudevents+json")
    assert (found["subject"], found["data"]["call"]) == ("press é", 2)


def test_none_is_204_and_several_are_a_batch(client: http.client.HTTPConnection) -> None:
    status, head, body = asked(client, prediction("0"))
    assert (status, body, head.get("content-length")) == (204, None, None)
    status, head, body = asked(client, prediction("2"))
    assert (status, head["content-type"]) == (200, "application/cloudevents-batch+json")
    assert [one["id"] for one in body] == ["scripted/7/0", "scripted/7/1"]


def test_streams_remember_apart(client: http.client.HTTPConnection) -> None:
    calls = [asked(client, prediction("1", stream))[2]["call"] for stream in ("a", "b", "a")]
    assert calls == [1, 1, 2]


def test_a_boxs_own_prediction_is_understood(client: http.client.HTTPConnection) -> None:
    data = {"label": "1", "probabilities": {"0": 0.1, "1": 0.9}, "window_start_ns": 5}
    fields = {**BINARY, "ce-type": "org.jointhedots.prediction.v1"}
    status, _, found = asked(client, {**data, "window_s": 2.56, "task": "toy"}, fields)
    assert (status, found["window_start_ns"]) == (200, 5)
    assert asked(client, {"label": "1"}, fields)[0] == 400


def test_what_a_function_fails_at_is_422_and_what_takes_too_long_504(
    client: http.client.HTTPConnection,
) -> None:
    status, _, body = asked(client, prediction("error"))
    assert (status, body) == (422, {"cause": "error", "error": "ValueError: no", "line": 3})
    assert asked(client, prediction("time"))[0] == 504
    client.request("GET", "/metrics")
    told = client.getresponse().read().decode()
    assert 'fl_fn_calls_total{outcome="failed"} 1.0' in told
    assert 'fl_fn_calls_total{outcome="deadline"} 1.0' in told
    assert "fl_fn_fuel_total 2000.0" in told


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {}),
        (b"{", BINARY),
        (b"[" * 50_000, BINARY),
        ({}, BINARY),
        ({"tick": {"time_ns": 1}}, BINARY),
        ({"prediction": {"start_ns": 0}}, BINARY),
        (prediction("1"), {**BINARY, "ce-specversion": "0.3"}),
        (prediction("1"), {**BINARY, "ce-id": "%FF"}),
        (prediction("1"), {**BINARY, "content-type": "application/cloudevents-batch+json"}),
        ({"specversion": "1.0", "id": "1"}, STRUCTURED),
        ([], STRUCTURED),
    ],
)
def test_what_is_no_event_is_400_with_why_and_the_connection_goes_on(
    client: http.client.HTTPConnection, body: object, fields: Mapping[str, str]
) -> None:
    status, _, why = asked(client, body, fields)
    assert status == 400
    assert why["error"]
    assert asked(client, prediction("0"))[0] == 204


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/healthz", 200), ("GET", "/", 405), ("PUT", "/", 405), ("POST", "/x", 404)],
)
def test_other_paths_and_methods(
    client: http.client.HTTPConnection, method: str, path: str, status: int
) -> None:
    client.request(method, path, b"{}" if method != "GET" else None)
    reply = client.getresponse()
    reply.read()
    assert reply.status == status


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n" + b"x" * (2 << 20), 413),
        (b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n", 403),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2, 200),
    ],
)
def test_odd_requests_are_answered_and_end_nothing(
    server: Server, client: http.client.HTTPConnection, sent: bytes, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as raw:
        with suppress(OSError):  # it may be answered before all was read
            raw.sendall(sent)
        first = raw.makefile("rb").readline()
    assert first.split()[1] == str(status).encode()
    assert asked(client, prediction("0"))[0] == 204


def test_a_chunked_body_is_read(server: Server, client: http.client.HTTPConnection) -> None:
    client.request("POST", "/", iter([json.dumps(prediction("0")).encode()]), BINARY,
                   encode_chunked=True)  # fmt: skip
    assert client.getresponse().status == 204


def test_calls_under_way_are_answered_after_a_stop_and_no_new_one_is_taken() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(event: Event, state: Mapping[str, str]) -> Found:
        begun.set()
        may_end.wait(120)
        return [FunctionEvent("found", {})], state, None

    with Server("127.0.0.1", 0, Replies(Answering(scripted(slow)))) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        client.request("POST", "/", json.dumps(prediction("1")), BINARY)
        assert begun.wait(120)
        server.stop()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port), 5)
        assert thread.is_alive()
        may_end.set()
        reply = client.getresponse()
        assert (reply.status, reply.getheader("connection")) == (200, "close")
        thread.join(120)
        assert not thread.is_alive()


def test_a_port_that_is_taken_is_refused(server: Server) -> None:
    with pytest.raises(InvalidConfiguration, match="can't be listened on"):
        Server("127.0.0.1", server.port, Replies(Answering(scripted(answer))))
