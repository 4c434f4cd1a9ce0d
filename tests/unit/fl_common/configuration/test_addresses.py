"""Hosts and ports: what people write is read as it is meant, or refused by its name."""

import pytest

from fl_common.configuration.addresses import bare_host, endpoint, http_url, joined
from fl_common.errors import InvalidConfiguration


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("fl.example.org:8443", "fl.example.org", 8443),
        ("192.0.2.7:1", "192.0.2.7", 1),
        ("[2001:db8::7]:65535", "2001:db8::7", 65535),
        ("[::1]:8443", "::1", 8443),
        ("a_box-1.local.:80", "a_box-1.local.", 80),
    ],
)
def test_an_endpoint_is_read_and_written_alike(text: str, host: str, port: int) -> None:
    assert endpoint("server", text) == (host, port)
    assert str(endpoint("server", text)) == joined(host, port) == text


@pytest.mark.parametrize(
    "text",
    [
        "fl.example.org",
        "fl.example.org:",
        "fl.example.org:http",
        "fl.example.org:0",
        "fl.example.org:65536",
        "fl.example.org:99999999999999999999",
        "fl.example.org:-1",
        "fl.example.org:٨٤",
        "https://fl.example.org:8443",
        "fl.example.org:8443/",
        "2001:db8::7:8443",
        "[2001:db8::7:8443",
        "[fl.example.org]:8443",
        ":8443",
        "fl example.org:8443",
        "fl;example.org:8443",
        "fl..example.org:8443",
        "",
    ],
)
def test_what_is_no_endpoint_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"^federation\.server="):
        endpoint("federation.server", text)


def test_a_host_may_be_in_brackets_and_has_one_form() -> None:
    assert bare_host("hosts", "[2001:DB8:0::7]") == bare_host("hosts", "2001:db8::7")


@pytest.mark.parametrize("text", ["fl.example.org:8443", "Küche.example", "[kitchen]", "a b", "-a"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"^hosts="):
        bare_host("hosts", text)


@pytest.mark.parametrize(
    "text", ["nonsense", "ftp://a.example", "https://", "https://a b", "https://a:0", "https://a:x"]
)
def test_what_is_no_address_of_a_web_server_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        http_url("components.source", text)
    assert str(refused.value).startswith(f"components.source={text}: must be a")


@pytest.mark.parametrize(
    "text", ["https://a.example", "http://[::1]:8443/components", "https://a:1"]
)
def test_an_address_of_a_web_server_stays_as_it_is(text: str) -> None:
    assert http_url("components.source", text) == text


def test_a_port_may_be_any_where_that_is_said() -> None:
    assert endpoint("serving.address", "localhost:0", least_port=0).port == 0
    with pytest.raises(InvalidConfiguration, match="port from 1"):
        endpoint("federation.server", "localhost:0")
