"""The proxy itself (nginx): in any folder, on IPv6, and with a new certificate while it runs."""

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fl_common.configuration.addresses import Endpoint
from fl_server.cloud.children import Child, RestartPolicy
from fl_server.cloud.credentials import make_own
from fl_server.cloud.home import CloudHome
from fl_server.cloud.proxy import Proxy
from fl_server.cloud.reach import FIRST_ROOT, why_unreachable
from tests.deployed.fleet import free_port, until

ODD = ["a b", "a;b{c}d", "a'b\"c", "$host", "kü\u200dche", "a#b?c%d\\e"]
DAYS = 30.0


@contextmanager
def running(home: CloudHome, host: str = "127.0.0.1") -> Iterator[tuple[Endpoint, Child]]:
    """The proxy of ``home``, which serves a first root."""
    make_own(home, ["localhost"], DAYS)
    root = home.components / "metadata" / "1.root.json"
    root.parent.mkdir(parents=True)
    root.write_text("{}")
    proxy = Proxy(
        listen=Endpoint(host, free_port()),
        public=home.public,
        superlink_port=free_port(),
        authority=home.authority.certificate,
        components=home.components,
        work=home.work / "proxy",
        log=home.logs / "proxy.log",
        largest_message_bytes=1 << 20,
    )
    command = proxy.command()
    policy = RestartPolicy(0.2, 1.0)
    child = Child("proxy", lambda: command, proxy.log, policy, folder=proxy.work)
    child.start()
    try:
        yield proxy.listen, child
    finally:
        child.stop()


def serves(listen: Endpoint, home: CloudHome) -> bool:
    return why_unreachable(listen, home.public.certificate, FIRST_ROOT) is None


@pytest.mark.parametrize("name", ODD)
def test_a_server_may_lie_in_any_folder(tmp_path: Path, name: str) -> None:
    home = CloudHome(tmp_path / name)
    with running(home) as (listen, child):
        until(lambda: serves(listen, home), f"served: {child.last_line()}", 30)
        assert child.starts == 1
        assert (home.logs / "proxy.log").is_file()


@pytest.mark.parametrize("host", ["::1", "::"])
def test_the_proxy_listens_on_ipv6(tmp_path: Path, host: str) -> None:
    home = CloudHome(tmp_path)
    with running(home, host) as (listen, _):
        until(lambda: serves(listen, home), "served", 30)


def test_a_new_certificate_is_served_and_connections_go_on(tmp_path: Path) -> None:
    home = CloudHome(tmp_path)
    with running(home) as (listen, child):
        until(lambda: serves(listen, home), "served", 30)
        context = ssl.create_default_context(cafile=str(home.authority.certificate))
        kept = http.client.HTTPSConnection("localhost", listen.port, context=context)
        slow = http.client.HTTPSConnection("localhost", listen.port, context=context)
        kept.request("GET", FIRST_ROOT)
        assert kept.getresponse().read() == b"{}"
        slow.putrequest("POST", "/v1/fleet/pull-messages")
        slow.putheader("Content-Length", "2")
        slow.endheaders(b"{")
        make_own(home, ["localhost"], DAYS, lambda: time.time() + 21 * 86400.0)
        why = why_unreachable(listen, home.public.certificate)
        assert why is not None
        assert "another certificate" in why
        child.reload()
        until(lambda: serves(listen, home), "the new certificate is served", 30)
        slow.send(b"}")
        assert slow.getresponse().status == 502, "the old worker answers: no SuperLink is there"
        assert child.starts == 1


def test_what_the_proxy_does_not_serve_is_told(tmp_path: Path) -> None:
    home = CloudHome(tmp_path)
    with running(home) as (listen, _):
        until(lambda: serves(listen, home), "served", 30)
        (home.components / "metadata" / "1.root.json").unlink()
        why = why_unreachable(listen, home.public.certificate, FIRST_ROOT)
        assert why == f"{FIRST_ROOT} is not served on {listen} (status 404)"
    why = why_unreachable(listen, home.public.certificate)
    assert why is not None
    assert "does not answer" in why
