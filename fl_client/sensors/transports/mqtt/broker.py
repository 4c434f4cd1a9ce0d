"""The configuration of the broker and the connection to it."""

from dataclasses import dataclass, field
from pathlib import Path

from fl_common.configuration.addresses import bare_host
from fl_common.configuration.rules import Rule, above, number, require, require_fields, whole
from fl_common.errors import InvalidConfiguration

_FILLED = Rule("must not be empty", bool)


@dataclass(frozen=True, kw_only=True)
class Broker:
    """One broker; times in seconds, sizes in bytes.

    ``identity`` is the client identifier, under which the broker keeps a session for
    ``session_seconds``; no two nodes may share one. ``in_flight`` is the most messages that the
    broker may send before the first is acknowledged (MQTT 5: Receive Maximum), and so the largest
    group commit; ``inbox_bytes`` bounds what has arrived and is not committed. A failed connection
    is retried after ``retry_first`` seconds, doubled each time up to ``retry_most``; a session that
    another client took over, after ``taken_over_seconds``.

    With ``ca_file`` the connection is TLS; ``certificate_file`` and ``key_file`` authenticate us.

    Raises:
        InvalidConfiguration: a value outside its range, a missing file, or half of a pair.
    """

    host: str
    port: int
    identity: str
    username: str | None
    password: str | None = field(repr=False)
    ca_file: Path | None
    certificate_file: Path | None
    key_file: Path | None
    keepalive: int
    session_seconds: int
    in_flight: int
    inbox_bytes: int
    retry_first: float
    retry_most: float
    taken_over_seconds: float

    def __post_init__(self) -> None:
        require_fields(
            "broker",
            self,
            port=whole(1, 65535),
            identity=_FILLED,
            keepalive=whole(1, 65535),
            session_seconds=whole(1, 2**32 - 1),
            in_flight=whole(1, 65535),
            inbox_bytes=whole(1),
            retry_first=above(0),
            retry_most=number("must be at least retry_first", lambda s: s >= self.retry_first),
            taken_over_seconds=above(0),
        )
        bare_host("broker.host", self.host)
        has_user = self.password is None or bool(self.username)
        require("broker.password", "...", Rule("needs a username", lambda _: has_user))
        self._check_files()

    def _check_files(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            rule = "needs the other one of certificate_file and key_file"
            raise InvalidConfiguration(
                f"broker.certificate_file={self.certificate_file}", rule, "Set both or neither"
            )
        if self.certificate_file and not self.ca_file:
            rule = "is used with TLS only"
            raise InvalidConfiguration(
                f"broker.certificate_file={self.certificate_file}", rule, "Set broker.ca_file too"
            )
        for name in ("ca_file", "certificate_file", "key_file"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise InvalidConfiguration(
                    f"broker.{name}={path}", "is no file", f"Correct broker.{name}"
                )
