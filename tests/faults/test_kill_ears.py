"""kill -9 of a box that keeps sound: no piece that the broker has an acknowledgement of is lost."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.configuration import read_config
from fl_client.windows.grid import Grid
from fl_common.plugins.build import build
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PATIENCE, START, NodeProcess, World, place_model, wait_for
from tests.support.shell import blocks

RATE, PIECE = 16_000, 1600
PIECES, KILLS = 60, (11, 23, 35, 47)
BETWEEN_S = 0.02  # so that some of what came before a kill is stored, and some is not


def payload(number: int) -> bytes:
    sound_T = np.random.default_rng(number).integers(-32768, 32767, PIECE).astype("<i2")
    start_ns = START + number * PIECE * 10**9 // RATE
    return start_ns.to_bytes(8, "little") + sound_T.tobytes()


def filled(config: Any) -> set[int]:
    """Starts of the windows that the pieces fill."""
    grid = Grid(build(config["task"]), build(config["windows"]))
    last_ns = START + (PIECES * PIECE - 1) * 10**9 // RATE
    places = range(grid.index_at(START - 1) + 1, grid.index_at(last_ns) + 1)
    starts = {grid.start_of(place) for place in places}
    return {start for start in starts if start + grid.span_ns <= last_ns}


@pytest.mark.slow
@pytest.mark.long
def test_no_acknowledged_piece_of_sound_is_lost_where_retention_is_on(tmp_path: Path) -> None:
    (text,) = [text for text in blocks("docs/reference/sensors.md", "yaml") if "ears.yaml" in text]
    file, home = tmp_path / "ears.yaml", tmp_path / "ears"
    file.write_text(text)
    config = read_config(file, [])
    wanted = filled(config)
    assert len(wanted) > 180
    place_model(home, task=build(config["task"]))
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "ears") as world:
        node = NodeProcess(home, broker.port, "retain=all", config=file)
        node.start()
        node.wait()
        try:
            for number in range(PIECES):
                sent = world._client.publish("sensors/ears/microphone", payload(number), 1)
                sent.wait_for_publish(PATIENCE)
                time.sleep(BETWEEN_S)
                if number in KILLS:
                    node.kill()
                    node.process.wait(PATIENCE)
                    node.start()
                    node.wait()
            wait_for(lambda: world.starts() >= wanted, "a prediction of every window")
            assert world.starts() == wanted

            def counts() -> Any:
                return node.status().get("messages", {})

            wait_for(lambda: counts().get("received") == PIECES, "all pieces, counted")
            assert counts()["lost"] == {}
        finally:
            node.kill()
