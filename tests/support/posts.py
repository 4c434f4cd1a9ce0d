"""One site's intake over HTTP in a test, and clients that post to it."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import httpx

from fl_client.sensors.transports.http.access import Access
from fl_client.sensors.transports.http.limits import Limits
from fl_client.sensors.transports.http.transport import HttpTransport
from tests.support.edge import PATIENCE, Site

TOKEN = "a-token-of-the-tests-0123456789"
TOPIC = "site/1/wrist"
CLIENTS = 20
LIMITS: dict[str, Any] = {
    "connections": 50,
    "in_flight": 50,
    "inbox_bytes": 1_000_000,
    "payload_bytes": 100_000,
    "request_seconds": 30.0,
    "idle_seconds": 30.0,
    "retry_seconds": 1,
}


def http_transport(port: int = 0, access: Access | None = None, **limits: Any) -> HttpTransport:
    """A transport on this machine."""
    access = access or anybody()
    return HttpTransport("127.0.0.1", port, access, Limits(**(LIMITS | limits)))


def anybody() -> Access:
    """Access for anybody on this machine."""
    return Access(None, None, None, None)


def with_token(variable: str = "TOKEN_OF_THE_TESTS") -> Access:
    """Access for those who have ``TOKEN``."""
    os.environ[variable] = TOKEN
    return Access(None, variable, None, None)


class HttpSite(Site):
    """A site whose sensor posts to ``/site/1/wrist``."""

    def __init__(self, folder: Path, link: HttpTransport, **changes: Any) -> None:
        self.link: HttpTransport
        super().__init__(folder, link, **changes)

    @property
    def url(self) -> str:
        """Where the sensor posts to."""
        return f"{self.link.address}/{TOPIC}"

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.link.address is not None
        return int(self.link.address.rpartition(":")[2])


def client() -> httpx.AsyncClient:
    """A client that keeps its connections."""
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    return httpx.AsyncClient(timeout=PATIENCE, limits=limits, trust_env=False)


async def post_all(url: str, bodies: Iterable[bytes], again: bool = False) -> list[int]:
    """Post all, some at a time; the status of each. ``again``: after a 503, until it is another."""
    waiting, codes = list(enumerate(bodies))[::-1], dict[int, int]()

    async def work(http: httpx.AsyncClient) -> None:
        while waiting:
            number, body = waiting.pop()
            while (code := (await http.post(url, content=body)).status_code) == 503 and again:
                await asyncio.sleep(0.01)
            codes[number] = code

    async with client() as http:
        await asyncio.gather(*(work(http) for _ in range(CLIENTS)))
    return [codes[number] for number in sorted(codes)]


def listening(
    folder: Path, scenario: Callable[[HttpSite], Coroutine[Any, Any, None]], link: HttpTransport
) -> None:
    """Run ``scenario`` on a site that listens."""

    async def run() -> None:
        site = HttpSite(folder, link)
        async with site.running():
            await site.connected()
            await scenario(site)

    asyncio.run(run())
