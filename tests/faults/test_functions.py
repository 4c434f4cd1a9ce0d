"""Functions that hang, crash or are slow: predictions go on, and no window is lost in silence."""

import json
from pathlib import Path
from typing import Any

import pytest

from fl_client.__main__ import main
from tests.support.counting import GOOD, numbers
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import NodeProcess, World, expected_starts, node, place_model, wait_for
from tests.support.shell import blocks, typed

MESSAGES = 40
HANG = "+functions.hang={_target_: tests.support.hanging.HangOnce, mended: %s}"
WINDOWS = sorted(expected_starts(MESSAGES))


def trouble(process: NodeProcess, part: str) -> dict[str, str] | None:
    """The trouble of a part, if health is red for it."""
    code, body = process.ask("/healthz")
    return (
        {one["part"]: one for one in json.loads(body)["wrong"]}.get(part) if code == 503 else None
    )


def at_the_functions(process: NodeProcess) -> dict[str, Any]:
    """The counts of windows at the functions."""
    found: dict[str, Any] = process.status()["functions"]["windows"]
    return found


@pytest.mark.long
def test_one_that_hangs_holds_up_nothing_and_gets_its_windows_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, mended = tmp_path / "box", tmp_path / "mended"
    place_model(home)
    options = (
        "functions=none",
        HANG % mended,
        GOOD,
        "function_host.seconds=3",
        "failures_allowed=2",
    )
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "box") as world:
        with node(home, broker.port, *options) as process:
            process.wait()
            world.send(0, MESSAGES)
            wait_for(lambda: world.starts() >= set(WINDOWS), "every prediction")
            wait_for(lambda: len(numbers(world, "good")) == len(WINDOWS), "the good function")
            wait_for(lambda: trouble(process, "function hang"), "the trouble of the other")
            wait_for(lambda: at_the_functions(process)["done"] == len(WINDOWS), "all windows")
            assert at_the_functions(process)["letters"] == {"hang": 2}
            assert process.stop() == 0
        assert numbers(world, "good") == dict(zip(WINDOWS, range(1, len(WINDOWS) + 1), strict=True))
        assert numbers(world, "hang") == {WINDOWS[0]: 1, WINDOWS[1]: 2}
        mended.touch()
        (block,) = blocks("docs/reference/node.md#functions")
        said = typed(block.replace("/var/lib/kitchen", "box").replace("alarm", "hang"), tmp_path)
        assert "it did not answer within 3 s" in said
        assert "2 letters of hang wait to be shown again" in said
        with node(home, broker.port, *options) as process:
            process.wait()
            wait_for(lambda: len(numbers(world, "hang")) == 4, "the events of the letters")
            assert process.stop() == 0
        told = numbers(world, "hang")
        assert [told[start] for start in WINDOWS[:4]] == [1, 2, 3, 4]
        assert len(numbers(world, "good")) == len(WINDOWS), "it was not shown them again"
        main(["functions", "letters", "--home", str(home)])
        assert "no letters" in capsys.readouterr().out
