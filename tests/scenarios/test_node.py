"""A whole node as a process: from a sensor's message to a prediction, and what an operator sees."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_client.__main__ import main
from fl_client.configuration import read_config
from fl_client.configuration import shown as shown_config
from fl_client.home import TRAINING
from fl_common.errors import InvalidConfiguration
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import (
    PERIOD,
    START,
    NodeProcess,
    World,
    expected_starts,
    node,
    place_model,
    wait_for,
)
from tests.support.sources import ROOT

MESSAGES = 80


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, World]]:
    """A node that has predicted the first messages; the tests below do not change it."""
    folder = tmp_path_factory.mktemp("node")
    home = folder / "box"
    with Mosquitto(folder / "broker") as broker:
        place_model(home)
        child = 'training.command=[sh, -c, "sleep 1000"]'
        with node(home, broker.port, child) as process, World(broker.port, "box") as world:
            process.wait()
            world.annotate(START, START + 20 * 128 * PERIOD, "ABD")
            world.send(0, MESSAGES)
            wait_for(lambda: world.starts() >= expected_starts(MESSAGES), "predictions")
            yield process, world


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fl_client", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_every_window_is_predicted_once_with_its_time_and_model(
    running: tuple[NodeProcess, World],
) -> None:
    process, world = running
    assert world.starts() == expected_starts(MESSAGES)
    told = [data for topic, data in world.heard if topic == "predictions/box"]
    assert len(told) == len(world.starts())
    assert {data["model"] for data in told} == {process.status()["model"]["digest"]}
    assert all(data["label"] in data["probabilities"] for data in told)
    assert all(data["latency_s"] > 0 for data in told)


def test_functions_tell_what_they_find(running: tuple[NodeProcess, World]) -> None:
    _, world = running
    told = wait_for(lambda: [d for topic, d in world.heard if topic == "events/box"], "an event")
    assert told[0]["function"] == "label_change"
    assert told[0]["from"] is None


def test_labels_join_the_windows(running: tuple[NodeProcess, World]) -> None:
    process, _ = running
    wait_for(lambda: process.status()["windows"]["labelled"] == 19, "labelled windows")
    judged = process.status()["accuracy"]["judged"]
    assert judged <= 19


def test_the_part_in_federations_is_in_the_metrics(running: tuple[NodeProcess, World]) -> None:
    process, _ = running
    counts = {"rounds": 3, "refusals": {"budget": 2}, "seconds": {"train": 1.5}}
    (process.home / TRAINING).write_text(json.dumps(counts))
    _, text = process.ask("/metrics")
    for line in (
        b"fl_client_federation_rounds_total 3.0",
        b'fl_client_federation_refusals_total{reason="budget"} 2.0',
        b'fl_client_federation_seconds_total{kind="train"} 1.5',
    ):
        assert line in text


def test_the_metrics_pass_prometheus_own_check(running: tuple[NodeProcess, World]) -> None:
    process, _ = running
    if shutil.which("promtool") is None:
        pytest.skip("needs the Debian package prometheus")
    code, text = process.ask("/metrics")
    assert code == 200
    judged = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=60
    )
    assert judged.returncode == 0, judged.stderr.decode()
    assert judged.stderr == b""
    for name in (b"readings_total", b"windows_total", b"predictions_total", b"model_info"):
        assert b"fl_client_" + name in text
    for name in (b"prediction_latency_seconds_bucket", b"messages_lost", b"spool_messages"):
        assert b"fl_client_" + name in text


def test_the_invariant_holds_and_is_shown(running: tuple[NodeProcess, World]) -> None:
    process, _ = running
    wait_for(lambda: process.status()["messages"]["received"] == MESSAGES + 1, "every message")
    counts = process.status()["messages"]
    assert counts["received"] == counts["processed"] + counts["waiting"]
    shown = command("status", "--home", str(process.home)).stdout
    assert f"{MESSAGES + 1} received = " in shown
    assert "running for" in shown


def test_health_is_ok_and_other_paths_are_not_found(running: tuple[NodeProcess, World]) -> None:
    process, _ = running
    assert process.ask("/healthz") == (200, b'{"ok": true, "wrong": []}\n')
    assert process.ask("/else")[0] == 404


def test_the_sensing_process_has_no_torch_and_little_memory(
    running: tuple[NodeProcess, World],
) -> None:
    process, _ = running
    maps = Path(f"/proc/{process.process.pid}/maps").read_text()
    assert "libtorch" not in maps
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    resident_kb = int(status.partition("VmRSS:")[2].split()[0])
    assert resident_kb < 300 * 1024


def test_the_training_process_runs_at_a_lower_priority(
    running: tuple[NodeProcess, World],
) -> None:
    process, _ = running
    children = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children")

    def training() -> list[str]:
        """The one beside the functions' process."""
        found = children.read_text().split()
        command = {child: Path(f"/proc/{child}/cmdline").read_text() for child in found}
        return [child for child in found if "functions.host" not in command[child]]

    child = wait_for(training, "the training process")[0]
    own, theirs = (
        int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16])
        for pid in (process.process.pid, child)
    )
    assert theirs == min(19, own + 10)


def test_a_node_stops_in_order_and_status_reads_its_files(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker, World(broker.port, "box") as world:
        home = tmp_path / "box"
        place_model(home)
        with node(home, broker.port) as process:
            process.wait()
            world.send(0, 20)
            wait_for(lambda: world.starts() >= expected_starts(20), "predictions")
            assert process.stop() == 0
        assert "stopped" in process.log()
        shown = command("status", "--home", str(home), "--json")
        status = json.loads(shown.stdout)
        assert not status["running"]
        assert status["messages"]["received"] == 20


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("brokr.host=x", "brokr.host"),
        ("+brokr=1", "brokr"),
        ("windows.step=0", "windows.step=0"),
        ("broker.port=70000", "broker.port=70000"),
        ("spool.on_full=never", "spool.on_full=never"),
        ("privacy.epsilon=0", "epsilon=0"),
        ("sensors.watch.topic=a#", "a#"),
        ("functions.label_change.windows=0", "windows=0"),
        ("+functions.label_change.often=1", "often"),
        ("+spool.often=1", "spool.often"),
        ("training.nice=99", "training.nice=99"),
        ("http.port=99999", "http.port=99999"),
    ],
)
def test_a_bad_value_ends_with_one_clear_line(
    tmp_path: Path, override: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", f"home={tmp_path}/box", "log_level=error", override])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_file_of_ones_own_stands_over_the_shipped_one(tmp_path: Path) -> None:
    file = tmp_path / "kitchen.yaml"
    file.write_text("defaults: [node, _self_]\nname: kitchen\nspool: {limit_bytes: 7}\n")
    shown = shown_config(read_config(file, ["functions=none"]))
    assert "topic: sensors/kitchen/watch" in shown
    assert "limit_bytes: 7" in shown
    assert "functions: {}" in shown
    file.write_text("defaults: [node, _self_]\nspol: {limit_bytes: 7}\n")
    with pytest.raises(InvalidConfiguration, match="spol"):
        read_config(file, [])


@pytest.mark.parametrize("name", ["run", "status", "model", "replay", "join", "ledger"])
def test_each_command_has_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert "example" in shown
    assert f"fl-client {name}" in shown
