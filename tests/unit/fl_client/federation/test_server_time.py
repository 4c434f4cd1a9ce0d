"""What a box makes of the dates of its server's replies, and what it does not."""

from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.proto.fleet_pb2 import ActivateNodeRequest
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.protobuf.client import ProtobufRequestContext
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from hypothesis import given
from hypothesis import strategies as st

from fl_client.clock.guard import Instant
from fl_client.clock.machine import Machine
from fl_client.federation.build import build_server_time
from fl_client.federation.server_time import MOST_S, SigningInterceptor

SECOND = 10**9
NOON = 1_790_000_000
TAKEN = -5.0, 305.0
"""Flower's bounds on the age of a signature, in seconds."""


class Server:
    """Takes what is stamped within Flower's bounds by its clock; ``lies_s`` is what its date adds.

    The box's clock is ``ahead_s`` ahead of it.
    """

    def __init__(self, folder: Path, ahead_s: float = 0.0, lies_s: float = 0.0) -> None:
        self.now, self.ahead_s, self.lies_s = float(NOON), ahead_s, lies_s
        self.stamps: list[float] = []
        self.time = build_server_time(folder, Machine(self.clocks, str, bool))
        self.key = ec.generate_private_key(ec.SECP384R1())
        self._signing = SigningInterceptor(self.key, self.time)

    def clocks(self) -> Instant:
        return Instant(round((self.now + self.ahead_s) * SECOND), round(self.now * SECOND))

    def ask(self) -> int:
        """The status that a request of the box ends in."""
        return self._signing.intercept(context(), self._reply).status_code

    def _reply(self, asked: ProtobufRequestContext) -> httpx.Response:
        stamp = datetime.fromisoformat(asked.request.headers[TIMESTAMP_HEADER]).timestamp()
        self.stamps.append(stamp)
        low, high = TAKEN
        date = datetime.fromtimestamp(int(self.now + self.lies_s), UTC)
        headers = {"date": format_datetime(date, usegmt=True)}
        return httpx.Response(200 if low < self.now - stamp < high else 401, headers=headers)


def context() -> ProtobufRequestContext:
    request = httpx.Request("POST", "https://server/v1/fleet/activate-node")
    return ProtobufRequestContext("Activate", ActivateNodeRequest(), request)


@pytest.mark.parametrize("ahead_s", [0, 1, -60, 20, 599, -599])
def test_a_clock_that_is_wrong_by_minutes_is_made_up_for(tmp_path: Path, ahead_s: float) -> None:
    server = Server(tmp_path, ahead_s)
    assert [server.ask(), server.ask()] == [200, 200]
    assert server.time.ahead_s() == pytest.approx(ahead_s, abs=1)
    assert server.time.told() is None


def test_a_clock_that_is_set_during_a_session_is_followed(tmp_path: Path) -> None:
    server = Server(tmp_path, 20)
    for ahead_s in (20, 0, -400, 400):
        server.ahead_s = ahead_s
        server.now += 100
        assert server.ask() == 200


@pytest.mark.parametrize(("ahead_s", "told"), [(86_400, "1 day, 0:00:00 ahead of"), (-7200, "beh")])
def test_more_is_told_and_not_made_up_for(tmp_path: Path, ahead_s: float, told: str) -> None:
    server = Server(tmp_path, ahead_s)
    assert server.ask() == 401
    assert told in str(server.time.told())
    assert server.stamps == [server.clocks().wall_ns / SECOND], "and it is not asked again"


@given(lies_s=st.floats(-1e6, 1e6), ahead_s=st.floats(-500, 500))
def test_no_server_moves_a_stamp_by_more_than_the_bound(
    tmp_path_factory: Any, lies_s: float, ahead_s: float
) -> None:
    server = Server(tmp_path_factory.getbasetemp(), ahead_s, lies_s)
    for _ in range(3):
        server.ask()
    own = server.clocks().wall_ns / SECOND
    assert all(abs(stamp - own) <= MOST_S + 1e-3 for stamp in server.stamps)
    assert len(server.stamps) <= 6


@pytest.mark.parametrize("date", ["", "soon", "Thu, 01 Jan 9999999 00:00:00 GMT", "\x00"])
def test_a_reply_without_a_date_tells_nothing(tmp_path: Path, date: str) -> None:
    time = Server(tmp_path).time
    time.note(httpx.Response(200, headers={"date": date}))
    assert time.ahead_s() is None
    assert time.told() is None


def test_the_server_s_date_can_raise_and_end_a_doubt_of_the_day(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.ask()
    assert server.time.is_believed()
    server.ahead_s = 40 * 86_400
    assert not server.time.is_believed()
    server.lies_s = server.ahead_s  # or it is so
    server.ask()
    assert server.time.is_believed()


def test_a_request_is_signed_as_flower_s_own_supernode_signs(tmp_path: Path) -> None:
    server, seen = Server(tmp_path), []

    def keep(asked: ProtobufRequestContext) -> httpx.Response:
        seen.append(asked.request.headers)
        return httpx.Response(200)

    NodeAuthHttpInterceptor(server.key, server.key.public_key()).intercept(context(), keep)
    SigningInterceptor(server.key, server.time).intercept(context(), keep)
    theirs, ours = seen
    assert theirs.keys() == ours.keys()
    assert theirs[FLEET_HTTP_PUBLIC_KEY_HEADER] == ours[FLEET_HTTP_PUBLIC_KEY_HEADER]
    assert FLEET_HTTP_SIGNATURE_HEADER in ours
