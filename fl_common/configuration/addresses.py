"""Hosts and ports as people write them: names, IPv4 and IPv6 addresses.

An IPv6 address before a port is in brackets (RFC 3986, section 3.2.2); alone it may be.
"""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from fl_common.errors import InvalidConfiguration

_NAME = re.compile(r"(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*"
                   r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?")  # fmt: skip
_HIGHEST_PORT = 2**16 - 1


class Endpoint(NamedTuple):
    """A host, without brackets, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """``host:port``, as in a URL."""
        return joined(self.host, self.port)


def joined(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets, as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bare_host(name: str, text: str) -> str:
    """A host's name or address, without the brackets of IPv6; ``name`` is that of the value.

    Raises:
        InvalidConfiguration: it is neither; a port or a scheme belongs to no host.
    """
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        if "%" not in inner:  # a zone means something on one machine alone
            return str(ipaddress.ip_address(inner))
    except ValueError:
        pass
    if inner != text or not _NAME.fullmatch(text):
        raise InvalidConfiguration(
            f"{name}={text}",
            "must be a host's name in ASCII, or an address, without a port",
            "Give such as fl.example.org, 192.0.2.7 or 2001:db8::7; other letters as xn--...",
        )
    return text


def endpoint(name: str, text: str, least_port: int = 1) -> Endpoint:
    """``text`` as host and port; ``least_port`` is 0 where that stands for a free one.

    Raises:
        InvalidConfiguration: it is not such; ``name`` is that of the value.
    """
    host, colon, port = text.rpartition(":")
    is_port = port.isascii() and port.isdecimal() and least_port <= int(port) <= _HIGHEST_PORT
    is_bare = ":" in host and not host.startswith("[")
    if not colon or not is_port or is_bare:
        raise InvalidConfiguration(
            f"{name}={text}",
            f"must be HOST:PORT with a port from {least_port} to {_HIGHEST_PORT}",
            "Give such as fl.example.org:8443 or [2001:db8::7]:8443",
        )
    try:
        return Endpoint(bare_host(name, host), int(port))
    except InvalidConfiguration as error:
        raise InvalidConfiguration(f"{name}={text}", error.rule, error.remedy) from None


def http_url(name: str, text: str) -> str:
    """``text`` as the address of a web server, with a path or without; ``name`` is the value's.

    Raises:
        InvalidConfiguration: it is not http or https, or has no host or no port that can be.
    """
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        scheme, host, port = "", "", None
    if scheme not in ("http", "https") or not host or port == 0:
        raise InvalidConfiguration(
            f"{name}={text}",
            "must be an address that begins with http:// or https:// and has a host",
            "Give such as https://models.example.org or https://192.0.2.7:8443/components",
        )
    try:
        bare_host(name, host)
    except InvalidConfiguration as error:
        raise InvalidConfiguration(f"{name}={text}", error.rule, error.remedy) from None
    return text
