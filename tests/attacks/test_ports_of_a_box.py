"""A stranger at the ports of a box: the inference service and the status page."""

import asyncio
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from fl_client.inference.oip import open_inference_pb2 as oip
from fl_client.inference.server import InferenceServer
from fl_client.node.http import StatusServer
from fl_client.node.status import read_status, write_record
from fl_client.sensors.transports.http.access import Access, ServingAccess
from fl_common.errors import InvalidConfiguration
from fl_server.cloud.certificates import Pair, make_authority, make_server
from tests.support.posts import TOKEN, anybody, with_token

REFUSED = "needs TLS and a token"
OUTSIDE = ("0.0.0.0", "[::]", "192.168.1.1", "box.local", "")
LIVE = "/inference.GRPCInferenceService/ServerLive"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A certificate for this machine."""
    folder = tmp_path_factory.mktemp("pair")
    authority, own = (Pair(folder / f"{n}.crt", folder / f"{n}.key") for n in ("ca", "box"))
    make_authority(authority, "Tests", 1, time.time)
    make_server(own, authority, ("localhost",), 1, time.time)
    return own


@pytest.fixture
def given(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings of access with a token and TLS."""
    monkeypatch.setenv("TOKEN_OF_A_PORT", TOKEN)
    files = {"certificate_file": str(pair.certificate), "key_file": str(pair.key)}
    return {"token_file": None, "token_variable": "TOKEN_OF_A_PORT", **files}


def status_server(access: Access, host: str = "127.0.0.1") -> StatusServer:
    return StatusServer(host, 0, access, lambda: b"", list, lambda: {"pid": 1, "well": True})


@pytest.mark.parametrize("host", OUTSIDE)
def test_neither_listens_beyond_this_machine_without_a_token_and_tls(host: str, pair: Pair) -> None:
    files = (str(pair.certificate), str(pair.key))
    refused = REFUSED if host else "must be a host's name"
    for access in (anybody(), with_token(), Access(None, None, *files)):
        with pytest.raises(InvalidConfiguration, match=refused):
            InferenceServer({}, access, f"{host}:0", 1, 1, 1000)
        with pytest.raises(InvalidConfiguration, match=refused):
            status_server(access, host.strip("[]"))


def test_the_refusal_says_what_to_set() -> None:
    access = ServingAccess(None, None, None, None)
    with pytest.raises(InvalidConfiguration) as caught:
        InferenceServer({}, access, "0.0.0.0:8001", 1, 1, 1000)
    assert str(caught.value) == (
        "serving.address=0.0.0.0: is reached from outside, which needs TLS and a token. Set"
        " certificate_file, key_file and token_file under serving.access, or listen on 127.0.0.1."
    )


def test_calls_of_the_inference_service_need_the_token(given: dict[str, Any], pair: Pair) -> None:
    async def call(channel: grpc.aio.Channel, token: str | None) -> grpc.StatusCode:
        metadata = [] if token is None else [("authorization", f"Bearer {token}")]
        method = channel.unary_unary(LIVE, response_deserializer=oip.ServerLiveResponse.FromString)
        try:
            assert (await method(b"", metadata=metadata, timeout=120)).live
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    async def run() -> tuple[list[grpc.StatusCode], grpc.StatusCode]:
        server = InferenceServer({}, Access(**given), "localhost:0", 1, 4, 1000)
        port = await server.start()
        trusted = grpc.ssl_channel_credentials(pair.certificate.with_name("ca.crt").read_bytes())
        async with grpc.aio.secure_channel(f"localhost:{port}", trusted) as channel:
            codes = [await call(channel, token) for token in (None, "wrong", TOKEN)]
        async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
            plain = await call(channel, TOKEN)
        await server.stop(0)
        return codes, plain

    codes, plain = asyncio.run(run())
    assert codes == [grpc.StatusCode.UNAUTHENTICATED] * 2 + [grpc.StatusCode.OK]
    assert plain is grpc.StatusCode.UNAVAILABLE


def asked(url: str, context: ssl.SSLContext | None = None, **fields: str) -> int:
    """The HTTP status of a request with ``fields``."""
    request = urllib.request.Request(url, headers=fields)
    try:
        with urllib.request.urlopen(request, timeout=120, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_status_page_needs_the_token_and_its_owner_s_command_has_it(
    given: dict[str, Any], pair: Pair, tmp_path: Path
) -> None:
    server = status_server(Access(**given), "0.0.0.0")
    context = ssl.create_default_context(cafile=pair.certificate.with_name("ca.crt"))
    try:
        url = f"https://localhost:{server.port}/status"
        assert asked(url, context) == 401
        assert asked(url, context, Authorization="Bearer wrong") == 401
        assert asked(url, context, Authorization=f"Bearer {TOKEN}") == 200
        write_record(tmp_path, "0.0.0.0", server.port, given, None)
        record = json.loads((tmp_path / "node.json").read_text())
        (tmp_path / "node.json").write_text(json.dumps({**record, "pid": 1}))
        assert read_status(tmp_path)["well"]
        assert TOKEN not in (tmp_path / "node.json").read_text()
    finally:
        server.close()


def test_a_web_page_in_a_browser_on_the_box_reads_nothing() -> None:
    server = status_server(anybody())
    try:
        url = f"http://127.0.0.1:{server.port}/status"
        assert asked(url) == 200
        assert asked(url, Host="evil.example.org") == 403
    finally:
        server.close()


@pytest.fixture
def idle() -> Iterator[list[socket.socket]]:
    """Connections, closed afterwards."""
    held: list[socket.socket] = []
    yield held
    for one in held:
        one.close()


@pytest.mark.long
def test_connections_that_say_nothing_hold_few_threads(idle: list[socket.socket]) -> None:
    server = status_server(anybody())
    try:
        for _ in range(100):
            idle.append(socket.create_connection(("127.0.0.1", server.port), 120))
        idle[-1].settimeout(120)
        assert idle[-1].recv(1) == b"", "it is closed at once"
    finally:
        server.close()
