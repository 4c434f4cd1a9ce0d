"""Tokens by which boxes enroll themselves: how often each may be used, until when, and for whom.

A file for each is in ``home/tokens``. It has a hash of the secret: who reads the folder can't use
them. A use is written down, durably, before anything comes of it, under the name and the key that
it is for: the same box may ask again, if it never got its answer, and nobody else.
"""

import fnmatch
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from fl_common.configuration.rules import above, require, whole
from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.files.whole import OWNER_ONLY, locked, make_folder, sync, write_whole

_LOCK, _LOCK_S = ".changing", 30.0
_NUMBER = re.compile(r"[0-9a-f]{12}")
_SECRET_BYTES = 32
UNKNOWN = "the token is unknown here, or was revoked"


class TokenRefused(JoinTheDotsError):
    """A token does not let this box in."""


@dataclass(frozen=True)
class KeptToken:
    """A token as the server knows it; ``digest`` is the SHA-256 (hex) of its secret.

    ``names`` is a pattern (``ward-*``) of the names that it gives, ``kind`` their class in metrics,
    ``expires`` in Unix seconds, ``used`` the key (PEM) by name of each box that came with it; empty
    for one that was revoked.
    """

    digest: str
    kind: str
    names: str
    uses: int
    expires: float
    used: dict[str, str] = field(default_factory=dict)


class Tokens:
    """The tokens in ``folder``; ``clock`` gives Unix seconds."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._folder, self._clock = folder, clock

    def make(self, kind: str, names: str, uses: int, seconds: float) -> tuple[str, str]:
        """A new token: its number and its secret, which is kept nowhere.

        Raises:
            InvalidConfiguration: a value outside its range, or the folder can't be written.
        """
        require("--uses", uses, whole(1, 100_000))
        require("--days", seconds, above(0))
        number, secret = secrets.token_hex(6), secrets.token_urlsafe(_SECRET_BYTES)
        token = KeptToken(_digest(secret), kind, names, uses, self._clock() + seconds)
        with self._alone():
            self._write(number, token)
        return number, secret

    def all(self) -> dict[str, KeptToken]:
        """All of them by number, also those that are over; one that can't be read is left out."""
        numbers = sorted(path.stem for path in self._folder.glob("*.json"))
        return {number: token for number in numbers if (token := self._find(number))}

    def is_over(self, token: KeptToken) -> bool:
        """Whether it lets nobody new in."""
        return self._clock() >= token.expires or len(token.used) >= token.uses

    def revoke(self, number: str) -> None:
        """Forget a token. The boxes that came with it stay.

        Raises:
            InvalidConfiguration: there is none of this number.
        """
        with self._alone():
            if not _NUMBER.fullmatch(number) or not self._path(number).is_file():
                known = ", ".join(self.all()) or "none"
                raise InvalidConfiguration(
                    f"token {number}", "is not one of this server's", f"There are: {known}"
                )
            self._path(number).unlink()
            sync(self._folder)

    def retire(self) -> list[str]:
        """Let nobody in any more by any token; the numbers of those that still let somebody in.

        A box that came with one, and asks again since it never got its answer, needs a new one.
        """
        with self._alone():
            kept = self.all()
            open_ = [number for number, token in kept.items() if not self.is_over(token)]
            for number, token in kept.items():
                used = dict.fromkeys(token.used, "")
                self._write(number, replace(token, expires=0.0, used=used))
            return open_

    def block(self, name: str) -> None:
        """Let no token bring back the box ``name``, which is being revoked."""
        with self._alone():
            for number, token in self.all().items():
                if name in token.used:
                    token.used[name] = ""
                    self._write(number, token)

    def redeem(
        self,
        number: str,
        secret: str,
        name: str,
        public_key: str,
        check: Callable[[], None] = lambda: None,
    ) -> KeptToken:
        """Use a token for the box ``name`` with ``public_key`` (PEM); the same again is no use.

        ``check`` may still refuse, once the token is known to be good and before it is used.

        Raises:
            TokenRefused: it is unknown, over, or not for this name.
            InvalidConfiguration: the use can't be written down.
        """
        with self._alone():
            token = self._find(number) if _NUMBER.fullmatch(number) else None
            if token is None or not hmac.compare_digest(token.digest, _digest(secret)):
                raise TokenRefused(UNKNOWN)
            if token.used.get(name) == public_key:
                return token
            if self.is_over(token):
                raise TokenRefused("the token has expired, or was used as often as it may be")
            if not fnmatch.fnmatchcase(name, token.names) or name in token.used:
                raise TokenRefused(f"the token is for new names like {token.names}")
            check()
            token.used[name] = public_key
            self._write(number, token)
            return token

    def _find(self, number: str) -> KeptToken | None:
        try:
            return KeptToken(**json.loads(self._path(number).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, number: str, token: KeptToken) -> None:
        write_whole(self._path(number), json.dumps(asdict(token)).encode(), OWNER_ONLY)

    def _path(self, number: str) -> Path:
        return self._folder / f"{number}.json"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            make_folder(self._folder, 0o700)
            with locked(self._folder / _LOCK, _LOCK_S):
                yield
        except OSError as error:
            raise InvalidConfiguration(
                str(self._folder), f"can't be written ({error.strerror or error})", "Free space"
            ) from error


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
