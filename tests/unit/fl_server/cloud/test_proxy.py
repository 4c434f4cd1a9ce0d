"""The proxy itself (nginx): in any folder, on IPv6, and with a new certificate while it runs."""

import http.client
import ssl
import time
from pathlib import Path

import pytest

from fl_server.cloud.credentials import make_own
from fl_server.cloud.home import CloudHome
from fl_server.cloud.reach import FIRST_ROOT, why_unreachable
from tests.deployed.fleet import until
from tests.support.fronts import DAYS, front, serves

ODD = ["a b", "a;b{c}d", "a'b\"c", "$host", "kü\u200dche", "a#b?c%d\\e"]


@pytest.mark.parametrize("name", ODD)
def test_a_server_may_lie_in_any_folder(tmp_path: Path, name: str) -> None:
    home = CloudHome(tmp_path / name)
    with front(home) as (listen, child):
        until(lambda: serves(listen, home), f"served: {child.last_line()}", 120)
        assert child.starts == 1
        assert (home.logs / "proxy.log").is_file()


@pytest.mark.parametrize("host", ["::1", "::"])
def test_the_proxy_listens_on_ipv6(tmp_path: Path, host: str) -> None:
    home = CloudHome(tmp_path)
    with front(home, host) as (listen, _):
        until(lambda: serves(listen, home), "served", 120)


def test_a_new_certificate_is_served_and_connections_go_on(tmp_path: Path) -> None:
    home = CloudHome(tmp_path)
    with front(home) as (listen, child):
        until(lambda: serves(listen, home), "served", 120)
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
        until(lambda: serves(listen, home), "the new certificate is served", 120)
        slow.send(b"}")
        assert slow.getresponse().status == 502, "the old worker answers: no SuperLink is there"
        assert child.starts == 1


def test_what_the_proxy_does_not_serve_is_told(tmp_path: Path) -> None:
    home = CloudHome(tmp_path)
    with front(home) as (listen, _):
        until(lambda: serves(listen, home), "served", 120)
        (home.components / "metadata" / "1.root.json").unlink()
        why = why_unreachable(listen, home.public.certificate, FIRST_ROOT)
        assert why == f"{FIRST_ROOT} is not served on {listen} (status 404)"
    why = why_unreachable(listen, home.public.certificate)
    assert why is not None
    assert "does not answer" in why
