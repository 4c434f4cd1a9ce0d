"""A box's way to its server: by an HTTP proxy, and addresses that can't be one."""

import re
import ssl
from pathlib import Path

import pytest

from fl_client.clock.machine import THIS_MACHINE
from fl_client.federation.build import build_server_time
from fl_client.federation.connection import Address, Connection, Unreachable, _reason
from fl_client.federation.open_session import OpenSession
from fl_common.components.fetcher import SteadyFetcher
from fl_common.errors import InvalidConfiguration
from fl_common.files.keys import make_key
from fl_server.cloud.home import CloudHome
from tests.deployed.fleet import until
from tests.support.fronts import front, serves, tunnel


def test_a_box_reaches_its_server_through_an_http_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, key = CloudHome(tmp_path / "server"), tmp_path / "site.key"
    make_key(key)
    with front(home, "127.0.0.1") as (listen, _), tunnel(listen.port) as proxy:
        until(lambda: serves(listen, home), "served", 120)
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        server = f"localhost:{listen.port}"
        authority = home.authority.certificate
        with (
            pytest.raises(Unreachable, match="502"),  # by nginx: no SuperLink is behind it
            Connection(
                Address(server, authority, key, 30),
                build_server_time(tmp_path, THIS_MACHINE),
                OpenSession(tmp_path / "session.json"),
            ),
        ):
            pass
        fetcher = SteadyFetcher(5, 10.0, ca_file=authority)
        url = f"https://{server}/components/metadata/1.root.json"
        assert fetcher.download_bytes(url, 100) == b"{}"
    assert [line.rpartition(" ")[0] for line in proxy.asked] == [f"CONNECT {server}"] * 2


@pytest.mark.parametrize(
    "server", ["fl.example.org", "fl.example.org:http", "fl.example.org:70000", "::1:8443"]
)
def test_an_address_without_a_usable_port_is_refused_at_once(server: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"^federation\.server="):
        Address(server, tmp_path / "a", tmp_path / "b", 30)


@pytest.mark.parametrize("why", ["certificate is not yet valid", "certificate has expired"])
def test_a_certificate_that_is_out_of_date_names_what_this_box_takes_for_now(why: str) -> None:
    """It may be the clock that is wrong: no box without a battery for it starts with the right."""
    told = _reason(ssl.SSLCertVerificationError(f"certificate verify failed: {why} (_ssl.c:1)"))
    assert re.search(r"by this box's clock, which reads 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$", told)
    assert told.startswith("the server's certificate is not to be trusted")
