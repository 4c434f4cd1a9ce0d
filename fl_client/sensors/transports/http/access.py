"""Access control: the clients' token, and the box's certificate."""

import hmac
import ipaddress
import os
import ssl
from pathlib import Path

from fl_common.configuration import Rule, require
from fl_common.errors import InvalidConfiguration

_KEY = "transports.http.access"
_SHORTEST = 16
_LOOPBACK = "localhost"


class Access:
    """The token is the first line of ``token_file``, or the variable ``token_variable``'s value.

    With ``certificate_file`` and ``key_file`` (PEM) connections are TLS.

    Raises:
        InvalidConfiguration: a file or variable is missing or can't be used, both token settings
            are given, or certificate or key is missing.
    """

    def __init__(
        self,
        token_file: Path | str | None,
        token_variable: str | None,
        certificate_file: Path | str | None,
        key_file: Path | str | None,
    ) -> None:
        self._token = _token(token_file, token_variable)
        self.tls = _context(certificate_file, key_file)
        """The TLS context of connections; None: plain HTTP."""

    def check_host(self, host: str) -> None:
        """Refuse to listen on a ``host`` that other machines reach without a token and TLS.

        Raises:
            InvalidConfiguration: it is not the loopback interface, and one of them is missing.
        """
        if not is_loopback(host) and (self._token is None or self.tls is None):
            raise InvalidConfiguration(
                f"transports.http.host={host}",
                "is reached from outside, which needs TLS and a token",
                f"Set certificate_file, key_file and token_file under {_KEY}, or listen on"
                " 127.0.0.1",
            )

    @property
    def open(self) -> bool:
        """Whether anyone on this machine may post."""
        return self._token is None

    def allows(self, authorization: bytes) -> bool:
        """Whether the value of an Authorization field has the token (RFC 6750, section 2.1)."""
        if self._token is None:
            return True
        scheme, _, given = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return host == _LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token(file: Path | str | None, variable: str | None) -> bytes | None:
    if file is not None and variable is not None:
        rule = "can't be set beside token_file"
        raise InvalidConfiguration(f"{_KEY}.token_variable={variable}", rule, "Set one of them")
    if file is not None:
        name = f"{_KEY}.token_file={file}"
        try:
            found = Path(file).read_text("utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfiguration(name, f"can't be read ({error})", "Correct it") from error
    elif variable is not None:
        name = f"{_KEY}.token_variable={variable}"
        found = os.environ.get(variable, "")
    else:
        return None
    if len(found) < _SHORTEST or not (found.isascii() and found.isprintable()) or " " in found:
        rule = f"must hold at least {_SHORTEST} printable ASCII characters without a space"
        raise InvalidConfiguration(name, rule, "Make one with: openssl rand -hex 32")
    return found.encode()


def _context(certificate: Path | str | None, key: Path | str | None) -> ssl.SSLContext | None:
    both = Rule("needs the other one of certificate_file and key_file", lambda _: paired)
    paired = (certificate is None) == (key is None)
    require(f"{_KEY}.certificate_file", certificate, both, "Set both or neither")
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidConfiguration(
            f"{_KEY}.certificate_file={certificate}",
            f"can't be used with key_file={key} ({error})",
            "Give a certificate and its key as PEM files",
        ) from error
    return context
