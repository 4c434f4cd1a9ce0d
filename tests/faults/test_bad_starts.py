"""A box and a server that start on a full disk, or after a power cut that emptied files."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_client.home import LEDGER, STORE, TRAINING
from tests.support.disk import fill, small_disk
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import NodeProcess, World, expected_starts, place_model, wait_for
from tests.support.ports import free_port
from tests.support.sources import ROOT

SENT = 12
COMMANDS = {
    "fl_client": ["run", f"broker.port={free_port()}", "http.port=0"],
    "fl_server": ["start", "privacy.site_windows=10", "run=null"],
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("module", COMMANDS)
def test_a_start_on_a_full_disk_is_one_line(module: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        home = disk / "home"
        home.mkdir(0o700)
        fill(disk / "filler")
        done = subprocess.run(
            [sys.executable, "-m", module, *COMMANDS[module], f"home={home}", "log_level=error"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in (1, 2)
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert str(home) in line
        assert "full" in line or "No space left" in line


@pytest.mark.slow
def test_a_box_starts_with_any_file_empty(tmp_path: Path, broker: Mosquitto) -> None:
    home = tmp_path / "emptied"
    place_model(home)
    process = NodeProcess(home, broker.port)
    with World(broker.port, "emptied") as world:
        process.start()
        try:
            process.wait()
            world.send(0, SENT)
            wait_for(lambda: world.starts() == expected_starts(SENT), "predictions")
            assert process.stop() == 0
            made = {path for path in home.rglob("*") if path.is_file() and path.suffix != ".onnx"}
            for path in made | {home / name for name in (LEDGER, TRAINING, "slots.json")}:
                path.write_bytes(b"")
            process.start()
            wait_for(process.status, "it runs")
            assert f"{home / STORE} was empty" in process.log()
            place_model(home)
            wait_for(lambda: process.status()["model"]["digest"], "a model serves")
            world.send(SENT, 2 * SENT)
            wait_for(lambda: process.status()["predictions"], "it predicts")
        finally:
            process.kill()
