"""Limits on the resources that HTTP clients may use."""

from dataclasses import dataclass

from fl_common.configuration.rules import above, require_fields, whole

HEADER_BYTES = 16_384
"""The largest request line with its header fields."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on all clients together; times in seconds, sizes in bytes.

    At most ``connections`` are open. At most ``in_flight`` messages or ``inbox_bytes`` have
    arrived, in part or in full, and are not stored; further ones must be sent again after
    ``retry_seconds``. A payload may have ``payload_bytes``, a request may take ``request_seconds``
    to arrive, and a connection may be idle for ``idle_seconds`` between requests.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    connections: int
    in_flight: int
    inbox_bytes: int
    payload_bytes: int
    request_seconds: float
    idle_seconds: float
    retry_seconds: int

    def __post_init__(self) -> None:
        require_fields(
            "transports.http.limits",
            self,
            connections=whole(1),
            in_flight=whole(1),
            inbox_bytes=whole(1),
            payload_bytes=whole(1),
            request_seconds=above(0),
            idle_seconds=above(0),
            retry_seconds=whole(1),
        )
