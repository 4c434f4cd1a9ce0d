"""A stranger who floods the proxy: with half-sent requests, and with garbage."""

import resource
import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.deployed.fleet import Cloud, TestSite, until

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]

MANY = 3000
"""Half-sent requests; an nginx as it comes has places for 1,024 connections."""
HALF = b"POST /v1/fleet/pull-messages HTTP/1.1\r\nHost: loc"


@pytest.fixture(scope="module")
def alone_with_files() -> Iterator[None]:
    """As many open files as this user may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Flood:
    """Connections of one stranger, which stay as they are."""

    def __init__(self, port: int) -> None:
        self._port, self.held = port, list[socket.socket]()

    def half(self, count: int) -> None:
        """Over TLS, the beginning of a request."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for _ in range(count):
            plain = socket.create_connection(("127.0.0.1", self._port), 30)
            secure = context.wrap_socket(plain)
            secure.sendall(HALF)
            self.held.append(secure)

    def raw(self, count: int, content: bytes) -> None:
        """``content`` without TLS; nothing at all where it is empty."""
        for _ in range(count):
            self.held.append(socket.create_connection(("127.0.0.1", self._port), 30))
            self.held[-1].sendall(content)

    def close(self) -> None:
        for one in self.held:
            one.close()


@pytest.fixture
def cloud(alone_with_files: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path_factory.mktemp("flood"), {"sites": 1, "rounds": 100000})
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.process.stop()


def test_a_federation_goes_on_while_one_address_floods_it(cloud: Cloud) -> None:
    site, flood = TestSite(cloud, "anna"), Flood(cloud.port)
    site.enroll()
    site.process.start()
    try:
        cloud.await_rounds(1)
        flood.raw(500, b"")
        flood.raw(500, b"\x00\xff" * 100)
        flood.half(MANY)
        cloud.await_rounds(2)
        assert "worker_connections are not enough" not in cloud.log("proxy")
        first = flood.held[1000]
        first.settimeout(60)
        until(lambda: first.recv(1000) == b"", "a half-sent request is dropped")
        cloud.await_rounds(1)
    finally:
        flood.close()
        site.process.kill()
