"""Proxies that the environment names (HTTPS_PROXY and others), which libraries take by themselves.

A program's calls to its own machine never go through one. Connections to others go through an HTTP
proxy, also those over TLS, which it tunnels (CONNECT). SOCKS is not supported.
"""

import os
from collections.abc import MutableMapping
from urllib.parse import urlsplit

from fl_common.errors import InvalidConfiguration

_OWN = ("localhost", "127.0.0.1", "::1")
_NAMES = ("http_proxy", "https_proxy", "all_proxy")
_SCHEMES = ("http", "https")
_Environment = MutableMapping[str, str]


def spare_own_machine(environment: _Environment = os.environ) -> None:
    """Leave this machine's names out for every library, this process's and its children's.

    A proxy without a scheme gets ``http://``, as only some libraries suppose it.
    """
    for name in _given(environment):
        if "://" not in environment[name]:
            environment[name] = f"http://{environment[name]}"
    if not _given(environment):
        return
    spared = environment.get("no_proxy") or environment.get("NO_PROXY", "")
    hosts = [host.strip() for host in spared.split(",") if host.strip()]
    hosts += [host for host in _OWN if host not in hosts]
    environment["no_proxy"] = environment["NO_PROXY"] = ",".join(hosts)


def forget_proxies(environment: _Environment = os.environ) -> None:
    """Take all proxies from a program that calls its own machine alone."""
    for name in _given(environment):
        del environment[name]


def check_proxies(environment: _Environment = os.environ) -> None:
    """Refuse a proxy that a program which calls other machines can't use.

    Raises:
        InvalidConfiguration: one that is not HTTP.
    """
    for name in _given(environment):
        parts = urlsplit(environment[name])
        if parts.scheme.lower() not in _SCHEMES:
            shown = f"{parts.scheme}://{parts.hostname or ''}"  # without a password
            raise InvalidConfiguration(
                f"{name}={shown}",
                "is no HTTP proxy, and no other is supported",
                f"Set HTTPS_PROXY=http://HOST:PORT, or start it with: env -u {name}",
            )


def _given(environment: _Environment) -> list[str]:
    """The variables that name a proxy, in either case."""
    return [name for name in environment if name.lower() in _NAMES and environment[name]]
