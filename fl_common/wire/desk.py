"""What a box asks the server's desk, which is no part of Flower: to be let in, to have a new key.

A request is JSON: ``said`` is a text of JSON, which begins with ``what`` is asked, and
``signatures`` are those of the keys that must agree, over a prefix of our own and that text. So no
signature of a box means something elsewhere.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from fl_common.errors import InvalidConfiguration
from fl_common.files.keys import SigningKey, is_signed

What = Literal["enroll", "rotate", "report"]
PATH, AUTHORITY = "/desk/", "authority"
LARGEST_BYTES = 16_384
_PREFIX = b"join-the-dots desk 1\n"
_TOKEN = "jtd-"
_MOST = 8


class NoRequest(ValueError):
    """The content is no request to the desk."""


@dataclass(frozen=True)
class Request:
    """``values`` are texts by name; ``signatures`` were made over ``said``."""

    values: Mapping[str, str]
    said: bytes
    signatures: Sequence[bytes]

    def is_signed_by(self, *public_keys: bytes, among: int = 0) -> bool:
        """Whether the holders of all these keys (PEM) have signed it, in this order.

        The signatures before ``among`` are not looked at.
        """
        signatures = self.signatures[among:]
        return len(signatures) == len(public_keys) and all(
            is_signed(_PREFIX + self.said, one, key)
            for one, key in zip(signatures, public_keys, strict=True)
        )


def write_request(what: What, values: Mapping[str, str], keys: Sequence[SigningKey]) -> bytes:
    """The content of a request, signed by each of ``keys``."""
    said = json.dumps({"what": what, **values})
    signatures = [
        base64.b64encode(key.sign(_PREFIX + said.encode())).decode("ascii") for key in keys
    ]
    return json.dumps({"said": said, "signatures": signatures}).encode()


def read_request(what: str, content: bytes) -> Request:
    """What ``write_request`` wrote; its signatures are not checked.

    Raises:
        NoRequest: anything else.
    """
    try:
        outer = json.loads(content)
        said, signatures = outer["said"], outer["signatures"]
        values = json.loads(said)
        texts = {str(name): value for name, value in values.items()}
        given = [base64.b64decode(one, validate=True) for one in signatures[:_MOST]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
        raise NoRequest("it is not the JSON of a request") from None
    if not all(isinstance(value, str) and value.isascii() for value in texts.values()):
        raise NoRequest("it has a value that is no text in ASCII")
    if texts.pop("what", None) != what or not isinstance(said, str):
        raise NoRequest(f"it does not ask to {what}")
    return Request(texts, said.encode(errors="surrogatepass"), given)


@dataclass(frozen=True)
class Token:
    """The right to enroll: ``secret`` is known to who holds it, and to nobody else.

    ``server`` is its ``host:port``, and ``authority`` the SHA-256 (hex) of the file of the
    authority that signs its certificate.
    """

    server: str
    authority: str
    number: str
    secret: str

    def __str__(self) -> str:
        """The token as people copy it."""
        text = json.dumps([self.server, self.authority, self.number, self.secret])
        return _TOKEN + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Self:
        """The token of which ``str`` made ``text``.

        Raises:
            InvalidConfiguration: it is not one.
        """
        try:
            coded = text.strip().removeprefix(_TOKEN)
            parts = json.loads(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
            if text.strip().startswith(_TOKEN) and all(isinstance(one, str) for one in parts):
                return cls(*parts)
        except (ValueError, TypeError, binascii.Error):
            pass
        raise InvalidConfiguration(
            "the token", "is not one that fl-server token has made", "Copy the whole of its line"
        )
