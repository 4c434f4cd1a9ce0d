"""A box without the extra train: it senses and infers, and says what it would need for more."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fl_client.ledger.ledger import Charge, Ledger
from fl_common.privacy.accounting import AccountantName
from tests.scenarios.test_replay import recording
from tests.support.absent import TRAINING, environment_without
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import World, expected_starts, node, place_model, wait_for
from tests.support.samples import WINDOW_PRIVACY
from tests.support.sources import ROOT

pytestmark = pytest.mark.slow

MESSAGES = 40
HERE = "here"
"""The folder that commands are run in."""
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a module's command line in which nothing of an extra can be imported."""
    environment = environment_without(tmp_path / "absent", *TRAINING)
    monkeypatch.setenv("PYTHONPATH", f"{environment['PYTHONPATH']}:{ROOT}")
    (tmp_path / HERE).mkdir()

    def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(
            command, cwd=tmp_path / HERE, capture_output=True, text=True, check=False
        )

    return run


def charged(path: Path, accountant: AccountantName) -> Path:
    """A ledger with one charge."""
    privacy = replace(WINDOW_PRIVACY, accountant=accountant)
    charge = Charge("anna", "run", 1, "run", privacy, ("2026-01-30",), False)
    with closing(Ledger(path, lambda: 1_800_000_000.0, "anna")) as ledger:
        assert isinstance(ledger.debit([charge])[0], tuple)
    return path


def test_it_goes_from_a_message_to_a_prediction(tmp_path: Path, without: Command) -> None:
    home = tmp_path / "box"
    home.mkdir()
    charged(home / "ledger.sqlite", "rdp")
    with Mosquitto(tmp_path / "broker") as broker:
        place_model(home)
        with node(home, broker.port) as process, World(broker.port, "box") as world:
            process.wait()
            world.send(0, MESSAGES)
            wait_for(lambda: world.starts() >= expected_starts(MESSAGES), "predictions")
            wait_for(lambda: process.status()["ledger"], "the ledger, read by a child")
            assert process.status()["ledger"]["epsilon_spent"] > 0
            shown = without("fl_client", "status", "--home", str(home), "--json")
            assert json.loads(shown.stdout)["predictions"] > 0
            assert process.stop() == 0


def test_its_other_commands_work(tmp_path: Path, without: Command) -> None:
    home, out = tmp_path / "box", tmp_path / "out.jsonl"
    place_model(home)
    model = without("fl_client", "model", str(tmp_path / "model-0.onnx"), "--home", str(home))
    assert "version" in model.stdout
    path = str(recording(tmp_path))
    replayed = without("fl_client", "replay", path, "--out", str(out), f"home={home}")
    assert (replayed.returncode, replayed.stderr) == (0, "")
    assert out.read_text()
    for name in ("rdp", "prv"):
        ledger = charged(tmp_path / f"{name}.sqlite", name)
        assert "2026-01-30" in without("fl_client", "ledger", "--home", str(ledger)).stdout


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("fl_client", "join"), "train"),
        (("fl_client", "run", "federation.server=fl.example.org:443"), "train"),
        (("fl_server", "start"), "server"),
        (("fl_server.repository", "list"), "server"),
        (("simulate",), "simulation"),
        (("simulate", "audit"), "simulation"),
        (("simulate", "egress"), "simulation"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_what_needs_an_extra_names_it_and_everything_missing_before_it_begins(
    tmp_path: Path, without: Command, command: tuple[str, ...], extra: str
) -> None:
    outputs = [f"hydra.run.dir={tmp_path / 'out'}"] if command[0] == "simulate" else []
    ended = without(*command, *outputs)
    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "flwr, httpx, " in line
    assert "opacus" in line
    assert line.endswith(f"Install with: pip install 'join-the-dots[{extra}]'.")
    assert list((tmp_path / HERE).iterdir()) == []
