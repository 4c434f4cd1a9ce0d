"""The server's time, by the ``Date`` of its replies, and requests that are signed with it.

Flower takes a request whose signature is stamped from 5 s in the future to 305 s in the past, by
the server's clock. A box whose clock is further off would be shut out, so it stamps signatures with
the server's time. That is all that the server's word is used for beside the guard of the link, and
it is bounded: a stamp is at most ``MOST_S`` from the box's own clock, so that no server can collect
signatures for another day.
"""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext

from fl_client.clock.guard import ClockGuard, Instant

MOST_S = 600.0
"""The most by which a signature's stamp may differ from the box's clock."""
_LEAST_S = 2.0  # a smaller difference may be the network's
_SECOND_NS = 10**9
SERVER = "the server"
"""Its name among those whose clocks the guard compares with the box's."""


class ServerTime:
    """How far the box's clock is from the server's; ``clocks`` reads the box's.

    ``guard`` hears of each reply's date. Any thread may call any method.
    """

    def __init__(self, clocks: Callable[[], Instant], guard: ClockGuard) -> None:
        self._clocks, self._guard = clocks, guard
        self._heard: tuple[int, int] | None = None

    def note(self, reply: httpx.Response) -> None:
        """Take the date of a reply that has just come; one without a date tells nothing."""
        try:
            date = parsedate_to_datetime(reply.headers.get("date", ""))
            stamp_ns = round(date.timestamp()) * _SECOND_NS + _SECOND_NS // 2  # whole seconds
        except (ValueError, TypeError, OverflowError):
            return
        now = self._clocks()
        self._heard = stamp_ns, now.elapsed_ns
        self._guard.hear(SERVER, stamp_ns, now)

    def is_believed(self) -> bool:
        """Whether the box's clock can be believed, by public facts: none of them is a sensor's."""
        return self._guard.believes(self._clocks())

    def ahead_s(self) -> float | None:
        """By how many seconds the box's clock is ahead of the server's; None if that is unknown."""
        if self._heard is None:
            return None
        (stamp_ns, elapsed_ns), now = self._heard, self._clocks()
        return (now.wall_ns - (stamp_ns + now.elapsed_ns - elapsed_ns)) / _SECOND_NS

    def signed_at(self) -> datetime:
        """The stamp for a signature: the server's time where it may be used, else the box's."""
        now, ahead_s = self._clocks(), self.ahead_s()
        box = datetime.fromtimestamp(now.wall_ns / _SECOND_NS, UTC)
        return box - timedelta(seconds=_corrected_s(ahead_s))

    def told(self) -> str | None:
        """Why this clock shuts the box out, and what to do; None if it does not."""
        ahead_s = self.ahead_s()
        if ahead_s is None or abs(ahead_s) <= MOST_S:
            return None
        span = timedelta(seconds=round(abs(ahead_s)))
        side = "ahead of" if ahead_s > 0 else "behind"
        return (
            f"This box's clock is {span} {side} the server's, and the server takes requests that"
            " are stamped at most 5 s ahead of its clock and 5 minutes behind it. Set this box's"
            f" clock, best by NTP; up to {MOST_S / 60:g} minutes are made up for"
        )


def _corrected_s(ahead_s: float | None) -> float:
    """What a stamp is set back by."""
    return ahead_s if ahead_s is not None and _LEAST_S < abs(ahead_s) <= MOST_S else 0.0


class SigningInterceptor:
    """Signs each request with ``key`` and the time, as Flower's SuperNode does.

    A request that is refused before the server's time was known, or after the clock was set, is
    signed anew and sent once more.
    """

    def __init__(self, key: EllipticCurvePrivateKey, time: ServerTime) -> None:
        self._key, self._time = key, time
        self._public = b64encode(public_key_to_bytes(key.public_key())).decode("ascii")

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """Send the request signed; the reply."""
        before = self._sign(context.request)
        reply = call_next(context)
        self._time.note(reply)
        if reply.status_code == httpx.codes.UNAUTHORIZED:
            moved = abs((self._time.signed_at() - before).total_seconds())
            if moved > _LEAST_S:
                self._sign(context.request)
                reply = call_next(context)
        return reply

    def _sign(self, request: httpx.Request) -> datetime:
        """Put the signature into the request's headers; its stamp."""
        at = self._time.signed_at()
        stamp = at.isoformat()
        signature = b64encode(sign_message(self._key, stamp.encode("ascii"))).decode("ascii")
        request.headers.update(
            {
                FLEET_HTTP_PUBLIC_KEY_HEADER: self._public,
                TIMESTAMP_HEADER: stamp,
                FLEET_HTTP_SIGNATURE_HEADER: signature,
            }
        )
        return at
