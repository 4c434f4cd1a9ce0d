"""Proxies of the environment: never for this machine, HTTP alone for others."""

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.programs.proxies import check_proxies, forget_proxies, spare_own_machine


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_this_machine_is_left_out(name: str) -> None:
    environment = {name: "proxy.example:3128"}
    spare_own_machine(environment)
    assert environment[name] == "http://proxy.example:3128"
    assert environment["NO_PROXY"] == environment["no_proxy"] == "localhost,127.0.0.1,::1"


def test_what_was_left_out_stays_so() -> None:
    environment = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example, localhost"}
    spare_own_machine(environment)
    assert environment["no_proxy"] == "a.example,localhost,127.0.0.1,::1"


def test_without_a_proxy_nothing_is_set() -> None:
    environment = {"HTTPS_PROXY": "", "LANG": "C"}
    spare_own_machine(environment)
    forget_proxies(environment)
    check_proxies(environment)
    assert environment == {"HTTPS_PROXY": "", "LANG": "C"}


def test_a_program_for_this_machine_has_none() -> None:
    environment = {"ALL_PROXY": "socks5://p:1", "https_proxy": "http://p:1", "LANG": "C"}
    forget_proxies(environment)
    assert environment == {"LANG": "C"}


@pytest.mark.parametrize("proxy", ["socks5://user:secret@p:1", "socks5h://p:1", "ftp://p"])
def test_another_kind_is_refused_without_its_password(proxy: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is no HTTP proxy") as refused:
        check_proxies({"ALL_PROXY": proxy})
    assert "secret" not in str(refused.value)
    assert "env -u ALL_PROXY" in str(refused.value)


def test_http_proxies_are_taken() -> None:
    check_proxies({"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "HTTPS://p:1"})
