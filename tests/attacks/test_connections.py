"""Whoever listens to the network, or shares the machine: what our programs say and open unasked.

Each command runs as at a person's shell, without the variables by which a library recognises CI:
it may connect where its configuration says, listen on this machine alone, and write below its own
folders alone.
"""

import json
import shlex
import sys
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from tests.support.mosquitto import Mosquitto
from tests.support.nodes import START, expected_starts, place_model, wait_for
from tests.support.nodes import World as Sensor
from tests.support.ports import free_port
from tests.support.repositories import Quiet, World, serving
from tests.support.traced import Address, Trace, trace, tracing

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]

SMALL = ("net=logistic", "rounds=1", "sites=2")
PYTHON = (sys.executable, "-m")
COMMANDS: dict[str, tuple[str, ...]] = {
    "simulate": ("simulate", *SMALL),
    "simulate on all cores": ("simulate", *SMALL, "engine.workers=2"),
    "simulate with Opacus": ("simulate", *SMALL, "training=opacus"),
    "simulate a sweep": ("simulate", "--multirun", *SMALL, "seed=0,1"),
    "simulate plugins": ("simulate", "plugins"),
    "simulate audit": ("simulate", "audit", "rounds=1", "audit.canaries=100"),
    "simulate egress": ("simulate", "egress", "net=logistic", "rounds=1"),
    "simulate deployment": ("simulate", *SMALL, "engine=deployment"),
    "simulate live": (
        *("simulate", *SMALL, "engine=live", "engine.sites=1", "engine.speed=20"),
        "engine.seconds=3",
    ),
    "fl-client status": ("fl_client", "status", "--home", "box"),
    "fl-client model": ("fl_client", "model", "model-0.onnx", "--home", "box"),
    "fl-client replay": ("fl_client", "replay", "recording.csv", "home=box"),
    "fl-client ledger": ("fl_client", "ledger", "--home", "box"),
    "fl-client plugins": ("fl_client", "plugins"),
    "fl-server status": ("fl_server", "status", "home=cloud"),
}
"""Commands that end by themselves, in a folder with a box, a model and a recording."""
MAY_FAIL = ("fl-client ledger", "fl-client status", "fl-server status", "simulate audit")
"""Of these: nothing is there to show, or so few canaries can't be judged."""


def held(ended: Trace, *configured: Address) -> None:
    """It left this machine for ``configured`` alone, opened nothing, wrote into its folders."""
    assert ended.left() - set(configured) == set(), ended.said
    assert ended.opened() == set()


def a_place(folder: Path) -> Path:
    """``folder`` with a box, a model and a recording."""
    place_model(folder / "box")
    rows = "\n".join(f"{START + n * 20_000_000},{','.join(['0.1'] * 6)}" for n in range(300))
    channels = "time,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z"
    (folder / "recording.csv").write_text(f"{channels}\n{rows}\n")
    return folder


def healthy(home: Path) -> bool:
    """Whether the box in ``home`` says so."""
    try:
        port = json.loads((home / "node.json").read_text())["port"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_talks_to_nobody_and_keeps_to_its_folders(name: str, tmp_path: Path) -> None:
    ended = trace([*PYTHON, *COMMANDS[name]], a_place(tmp_path))
    assert ended.status == 0 or name in MAY_FAIL, ended.said
    assert "Traceback" not in ended.said
    held(ended)
    assert ended.strayed(tmp_path) == set()
    assert [*(tmp_path / "person").rglob("*")] == []


def test_the_repository_s_commands_talk_to_nobody(tmp_path: Path) -> None:
    commands = (
        ("simulate", *SMALL, "hydra.run.dir=run"),
        *(
            ("fl_server.repository", *words, "-r", "run/repository")
            for words in (["check", "wearables"], ["verify"], ["list"], ["log", "wearables"])
        ),
    )
    script = "; ".join(shlex.join([*PYTHON, *command]) for command in commands)
    ended = trace(["sh", "-c", script], tmp_path)
    assert "Traceback" not in ended.said
    assert "accuracy" in ended.said
    held(ended)
    assert ended.strayed(tmp_path) == set()
    assert [*(tmp_path / "person").rglob("*")] == []


def test_a_box_connects_where_its_configuration_says_alone(tmp_path: Path, world: World) -> None:
    (tmp_path / "box").mkdir()
    place_model(tmp_path / "box" / "site")
    handler = partial(Quiet, directory=str(world.place))
    with Mosquitto(tmp_path / "broker") as broker, serving(handler) as repository:
        command = [
            *(*PYTHON, "fl_client", "run", "name=box", "home=site", "sensors=wearables_raw"),
            *("http.port=0", "serving.address=localhost:0", f"broker.port={broker.port}"),
            *("broker.host=127.0.0.1", f"components.source={repository}"),
            f"components.root={world.place}/metadata/1.root.json",
            *("components.poll={every_s: 1, jitter: 0.0}", "retention.days=36500"),
        ]
        with tracing(command, tmp_path / "box") as box, Sensor(broker.port, "box") as sensor:
            wait_for(lambda: healthy(tmp_path / "box" / "site"), "a box that is ready")
            sensor.send(0, 40)
            wait_for(lambda: sensor.starts() >= expected_starts(40), "predictions")
            box.stop()
            ended = box.ended()
    assert ended.status == 0, ended.said
    asked = int(repository.rpartition(":")[2])
    assert ended.connected == {("127.0.0.1", broker.port), ("127.0.0.1", asked)}
    held(ended)
    assert ended.strayed(tmp_path) == set()
    assert [*(tmp_path / "box" / "person").rglob("*")] == []


def test_a_player_connects_to_its_broker_alone(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        command = [
            *(*PYTHON, "simulate", "play", "boxes=[box]", "past_s=5"),
            *(f"broker.port={broker.port}", "broker.host=127.0.0.1", "hydra.run.dir=out"),
        ]
        with tracing(command, tmp_path) as player:
            wait_for(lambda: [*tmp_path.glob("**/played/box*")], "a recording that is played")
            player.stop()
            ended = player.ended()
    assert ended.connected == {("127.0.0.1", broker.port)}
    held(ended)
    assert ended.strayed(tmp_path) == set()
    assert [*(tmp_path / "person").rglob("*")] == []


def test_a_server_connects_to_itself_alone_and_listens_where_it_is_told(tmp_path: Path) -> None:
    outside, inside = free_port(), free_port()
    command = [
        *(*PYTHON, "fl_server", "start", f"listen=127.0.0.1:{outside}"),
        *(f"superlink_port={inside}", "sites=1"),
    ]
    with tracing(command, tmp_path) as server:
        wait_for(lambda: "ready: sites reach" in server.said(), "a server that is ready")
        server.stop()
        ended = server.ended()
    assert ended.status == 0, ended.said
    assert ended.listened == {("127.0.0.1", outside), ("127.0.0.1", inside)}
    assert ended.connected == {("127.0.0.1", inside), ("127.0.0.1", outside)}, "and tries its proxy"
    assert ended.strayed(tmp_path) == set()
    assert [*(tmp_path / "person").rglob("*")] == []
