"""Messages between the sensing process and its function host."""

import socket

import pytest

from fl_client.functions.host.channel import Channel, ChannelError


def test_a_side_that_does_not_read_holds_nobody_up() -> None:
    ours, theirs = socket.socketpair()
    with theirs, pytest.raises(ChannelError, match=r"did not read within 0\.01 s"):
        Channel(ours).send("x" * (3 << 20), seconds=0.01)
    ours.close()
