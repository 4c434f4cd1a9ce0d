"""The broker's address and how the connection to it is kept, as configured."""

from dataclasses import dataclass, field
from pathlib import Path

from fl_common.errors import InvalidConfiguration


@dataclass(frozen=True, kw_only=True)
class Broker:
    """One broker; times in seconds, sizes in bytes.

    ``identity`` is the client's at the broker, which keeps a session under it for
    ``session_seconds``: no two nodes may have the same. ``in_flight`` is the most messages that the
    broker may send before the first is acknowledged (MQTT 5: Receive Maximum), and so the largest
    group commit; ``inbox_bytes`` bounds what has arrived and is not committed. A connection that
    fails is tried again after ``retry_first`` doubled each time up to ``retry_most``; one that
    another client took over, after ``taken_over_seconds``.

    With ``ca_file`` the connection is TLS; ``certificate_file`` and ``key_file`` prove who we are.

    Raises:
        InvalidConfiguration: a value outside its range, a file that is missing, a half of a pair.
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
        rules = (
            ("host", bool(self.host), "must not be empty"),
            ("port", 0 < self.port < 65536, "must lie in 1 to 65535"),
            ("identity", bool(self.identity), "must not be empty"),
            ("password", self.password is None or bool(self.username), "needs a username"),
            ("keepalive", 0 < self.keepalive < 65536, "must lie in 1 to 65535"),
            ("session_seconds", 0 < self.session_seconds < 2**32, "must lie in 1 to 2^32 - 1"),
            ("in_flight", 0 < self.in_flight < 65536, "must lie in 1 to 65535"),
            ("inbox_bytes", self.inbox_bytes > 0, "must be above 0"),
            ("retry_first", self.retry_first > 0, "must be above 0"),
            ("retry_most", self.retry_most >= self.retry_first, "must be at least retry_first"),
            ("taken_over_seconds", self.taken_over_seconds > 0, "must be above 0"),
        )
        for name, holds, rule in rules:
            if not holds:
                value = "..." if name == "password" else getattr(self, name)
                raise InvalidConfiguration(
                    f"broker.{name}={value}", rule, f"Set broker.{name} to such a value"
                )
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
