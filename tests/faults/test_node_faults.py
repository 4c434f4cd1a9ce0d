"""Faults through the whole node, on a real broker: what was acknowledged is never lost."""

import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.counting import GOOD, numbers
from tests.support.disk import fill, small_disk
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import NodeProcess, World, expected_starts, node, place_model, wait_for

KILLS = 10
PER_KILL = 12
OF_MACHINES = ("sensors.watch.topic=sensors/+/watch", "sensors.watch.stream=2", "annotations=null")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as started:
        yield started


def counted(process: NodeProcess, received: int) -> bool:
    counts = process.status().get("messages")
    if counts is None:
        return False
    assert counts["received"] == (
        counts["processed"] + counts["waiting"] + sum(counts["lost"].values())
    )
    return bool(counts["received"] == received)


@pytest.mark.long
@pytest.mark.parametrize("machines", [(), ("press", "saw")])
def test_killed_at_random_instants_it_loses_nothing(
    machines: tuple[str, ...], tmp_path: Path, broker: Mosquitto
) -> None:
    """With one stream, and with two that take turns."""
    chance, home = random.Random(5), tmp_path / f"killed{len(machines)}"
    place_model(home)
    process = NodeProcess(home, broker.port, *(OF_MACHINES if machines else ()))
    with World(broker.port, home.name) as world:
        process.start()
        try:
            process.wait()
            for kill in range(KILLS):
                for machine in machines or (None,):
                    world.send(kill * PER_KILL, (kill + 1) * PER_KILL, machine=machine)
                time.sleep(chance.uniform(0, 0.8))  # the instant is what is tried, not a wait
                process.kill()
                process.start()
            sent = KILLS * PER_KILL
            wait_for(lambda: counted(process, sent * (len(machines) or 1)), "every message, once")
            for machine in machines or (None,):
                starts = partial(world.starts, machine)
                wait_for(lambda: starts() >= expected_starts(sent), "every prediction")  # noqa: B023
                assert starts() == expected_starts(sent)
            every = len(expected_starts(sent)) * (len(machines) or 1)
            wait_for(lambda: process.status()["windows"]["kept"] == every, "each window, once")
            assert process.status()["messages"]["lost"] == {}
        finally:
            process.kill()


@pytest.mark.slow
def test_a_broker_that_restarts_gets_what_was_predicted_meanwhile(tmp_path: Path) -> None:
    home = tmp_path / "restarted"
    place_model(home)
    with (
        Mosquitto(tmp_path / "broker") as own,
        World(own.port, "restarted") as world,
        node(home, own.port) as process,
    ):
        process.wait()
        world.send(0, 30)
        wait_for(lambda: counted(process, 30), "the first messages")
        own.stop()
        wait_for(lambda: process.ask("/healthz")[0] == 503, "a node that tells")
        assert "no connection to the broker" in process.ask("/healthz")[1].decode()
        own.start()
        process.wait()
        world.send(30, 60)
        wait_for(lambda: counted(process, 60), "all messages")
        wait_for(lambda: world.starts() >= expected_starts(60), "all predictions")


@pytest.mark.slow
def test_a_bad_model_in_the_slot_leaves_the_good_one_serving(
    tmp_path: Path, broker: Mosquitto
) -> None:
    home = tmp_path / "swapped"
    good = place_model(home)
    with node(home, broker.port) as process, World(broker.port, "swapped") as world:
        process.wait()
        world.send(0, 30)
        slot = home / "slots" / "model"
        bad = "0" * 64
        (slot / "versions" / bad).mkdir()
        (slot / "versions" / bad / "model.onnx").write_bytes(b"cut off")
        (slot / "current").write_text(bad)
        wait_for(lambda: process.status()["model"]["trouble"], "the trouble to be told")
        world.send(30, 60)
        wait_for(lambda: world.starts() >= expected_starts(60), "all predictions")
        assert process.status()["model"]["digest"] == good
        assert {d["model"] for t, d in world.heard if t.startswith("pred")} == {good}
        better = place_model(home, seed=1)
        wait_for(lambda: process.status()["model"]["digest"] == better, "the next model")


@pytest.mark.slow
def test_a_full_disk_stops_nothing_but_the_acknowledgements(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        home = disk / "full"
        place_model(home)
        options = ("functions=none", GOOD)
        with node(home, broker.port, *options) as process, World(broker.port, "full") as world:
            process.wait()
            world.send(0, 20)
            wait_for(lambda: counted(process, 20), "the first messages")
            fill(disk / "filler")
            world.send(20, 60)
            wait_for(lambda: process.ask("/healthz")[0] == 503, "a node that tells")
            assert {process.ask("/healthz")[0] for _ in range(40)} == {503}
            (cause,) = (t["cause"] for t in process.status()["wrong"] if t["part"] == "store")
            assert "the disk is full" in cause
            assert b'fl_client_trouble{part="store"} 1.0' in process.ask("/metrics")[1]
            assert process.log().count("store: ") == 1
            (disk / "filler").unlink()
            wait_for(lambda: counted(process, 60), "the messages that the broker kept")
            wait_for(lambda: world.starts() >= expected_starts(60), "all predictions")
            assert process.status()["messages"]["lost"] == {}
            windows = sorted(expected_starts(60))
            wait_for(lambda: len(numbers(world)) == len(windows), "what the function tells")
            assert numbers(world) == {start: n for n, start in enumerate(windows, 1)}
            made = 2 * len(windows)
            wait_for(lambda: process.status()["events"]["published"] == made, "all as published")
            events = process.status()["events"]
            assert (events["made"], events["waiting"], len(world.events())) == (made, 0, made)


@pytest.mark.long
def test_two_nodes_with_one_identity_share_the_session_and_say_so(
    tmp_path: Path, broker: Mosquitto
) -> None:
    for name in ("first", "second"):
        place_model(tmp_path / name)
    identity = ("broker.identity=twins", "broker.taken_over_seconds=600")
    with (
        node(tmp_path / "first", broker.port, *identity) as first,
        node(tmp_path / "second", broker.port, *identity) as second,
    ):
        told = "Give each node a broker.identity of its own"
        wait_for(lambda: told in first.log() + second.log(), "one of them to tell")


@pytest.mark.long
def test_a_second_node_on_one_folder_is_refused(tmp_path: Path, broker: Mosquitto) -> None:
    home = tmp_path / "shared"
    place_model(home)
    with node(home, broker.port) as first:
        first.wait()
        second = NodeProcess(home, broker.port)
        record = (home / "node.json").read_text()
        second.start()
        assert second.process.wait(120) == 2
        assert "another node runs" in second.log()
        (home / "node.json").write_text(record)
        assert first.status()["wrong"] == []


@pytest.mark.slow
def test_a_killed_node_takes_its_training_process_along(tmp_path: Path, broker: Mosquitto) -> None:
    alive = tmp_path / "pid"
    script = f"echo $$ > {alive}.part; mv {alive}.part {alive}; exec sleep 1000"
    command = f"training.command=[sh, -c, '{script}']"
    with node(tmp_path / "parent", broker.port, command) as process:
        wait_for(alive.exists, "the training process")
        child = Path(f"/proc/{alive.read_text().strip()}/cmdline")
        assert b"sleep" in wait_for(child.read_bytes, "its command")
        process.kill()
        wait_for(lambda: not child.exists() or not child.read_bytes(), "the end of it, too")
