"""A running box, and a watch hours ahead of it: the operator says which of them is right."""

import time
from pathlib import Path
from typing import Any

import pytest

from fl_client.__main__ import main
from fl_client.clock.machine import THIS_MACHINE
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import NodeProcess, World, node, place_model, wait_for

HOUR = 3600 * 10**9


def clock_of(process: NodeProcess) -> list[dict[str, Any]]:
    return [one for one in process.status().get("wrong", ()) if one["part"] == "clock"]


@pytest.mark.slow
@pytest.mark.skipif(THIS_MACHINE.synchronised(), reason="NTP vouches for this machine's clock")
def test_messages_wait_until_the_operator_says_that_the_clock_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "box"
    place_model(home)
    with (
        Mosquitto(tmp_path / "broker") as broker,
        World(broker.port, "box") as world,
        node(home, broker.port) as process,
    ):
        process.wait()
        world.send(0, 3, start_ns=time.time_ns() + 2 * HOUR)
        (trouble,) = wait_for(lambda: clock_of(process), "a doubt of the clock")
        assert "watch up to 2:00:0" in trouble["cause"]
        assert process.ask("/healthz")[0] == 503
        wait_for(lambda: process.status()["messages"]["waiting"] == 3, "messages that wait")
        assert process.status()["messages"]["lost"] == {}
        main(["clock", "--home", str(home), "--trust"])
        assert "you said that it is right" in capsys.readouterr().out
        wait_for(lambda: not clock_of(process), "a believed clock")
        lost = wait_for(lambda: process.status()["messages"]["lost"], "the loss")
        assert lost == {"ahead": 3}
        assert "fl-client clock --trust" in process.log()
