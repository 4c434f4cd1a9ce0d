"""Access control of a port of the box: the clients' token, and the box's certificate.

The sensors' posts, the inference service and the status page share it.
"""

import hmac
import ipaddress
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from fl_common.configuration.kinds import constructed
from fl_common.configuration.rules import Rule, require
from fl_common.errors import InvalidConfiguration

_SHORTEST = 16
_LOOPBACK = "localhost"


class Access:
    """The token is the first line of ``token_file``, or the variable ``token_variable``'s value.

    With ``certificate_file`` and ``key_file`` (PEM) connections are TLS.

    Raises:
        InvalidConfiguration: a file or variable is missing or can't be used, both token settings
            are given, or certificate or key is missing.
    """

    place = "transports.http.access"
    """Of these values in the configuration."""

    def __init__(
        self,
        token_file: Path | str | None,
        token_variable: str | None,
        certificate_file: Path | str | None,
        key_file: Path | str | None,
    ) -> None:
        self._token = _token(self.place, token_file, token_variable)
        self.tls = _context(self.place, certificate_file, key_file)
        """The TLS context of connections; None: plain HTTP."""
        self._pair = (key_file, certificate_file)

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Self:
        """That of a section of the configuration.

        Raises:
            InvalidConfiguration: as the constructor; or a key is not known, missing, or no text.
        """
        return constructed(cls.place, cls, section)

    def check_host(self, host: str, name: str = "host") -> None:
        """Refuse to listen on a ``host`` that other machines reach without a token and TLS.

        ``name`` is that of the value beside ``access`` that has it.

        Raises:
            InvalidConfiguration: it is not the loopback interface, and one of them is missing.
        """
        if not is_loopback(host) and (self._token is None or self.tls is None):
            raise InvalidConfiguration(
                f"{self.place.removesuffix('access')}{name}={host}",
                "is reached from outside, which needs TLS and a token",
                f"Set certificate_file, key_file and token_file under {self.place}, or listen on"
                " 127.0.0.1",
            )

    def pair(self) -> tuple[bytes, bytes] | None:
        """Key and certificate (PEM) for what does not take ``tls``; None: no TLS."""
        key, certificate = self._pair
        if key is None or certificate is None:
            return None
        return Path(key).read_bytes(), Path(certificate).read_bytes()

    @property
    def open(self) -> bool:
        """Whether anyone on this machine may post."""
        return self._token is None

    def header(self) -> dict[str, str]:
        """The field with the token that a client sends."""
        return {"Authorization": f"Bearer {self._token.decode()}"} if self._token else {}

    def allows(self, authorization: bytes) -> bool:
        """Whether the value of an Authorization field has the token (RFC 6750, section 2.1)."""
        if self._token is None:
            return True
        scheme, _, given = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)


class ServingAccess(Access):
    """That of the inference service."""

    place = "serving.access"


class StatusAccess(Access):
    """That of the status page."""

    place = "http.access"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return host == _LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_this_machine(host: bytes) -> bool:
    """Whether a Host field names this machine, as no page of another does in a browser."""
    try:
        return is_loopback(urlsplit(f"//{host.decode('ascii')}").hostname or "")
    except ValueError:
        return False


def _token(key: str, file: Path | str | None, variable: str | None) -> bytes | None:
    if file is not None and variable is not None:
        rule = "can't be set beside token_file"
        raise InvalidConfiguration(f"{key}.token_variable={variable}", rule, "Set one of them")
    if file is not None:
        name = f"{key}.token_file={file}"
        try:
            found = Path(file).read_text("utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfiguration(name, f"can't be read ({error})", "Correct it") from error
    elif variable is not None:
        name = f"{key}.token_variable={variable}"
        found = os.environ.get(variable, "")
    else:
        return None
    if len(found) < _SHORTEST or not (found.isascii() and found.isprintable()) or " " in found:
        rule = f"must hold at least {_SHORTEST} printable ASCII characters without a space"
        raise InvalidConfiguration(name, rule, "Make one with: openssl rand -hex 32")
    return found.encode()


def _context(
    place: str, certificate: Path | str | None, key: Path | str | None
) -> ssl.SSLContext | None:
    both = Rule("needs the other one of certificate_file and key_file", lambda _: paired)
    paired = (certificate is None) == (key is None)
    require(f"{place}.certificate_file", certificate, both, "Set both or neither")
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidConfiguration(
            f"{place}.certificate_file={certificate}",
            f"can't be used with key_file={key} ({error})",
            "Give a certificate and its key as PEM files",
        ) from error
    return context
