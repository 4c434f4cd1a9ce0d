"""The stack at work, and each of its containers killed: rounds, a model, predictions, no loss.

The tests stand in the order of one run's life and share it.
"""

from functools import partial
from operator import eq, le
from typing import Any

import pytest

from tests.containers.stack import EDGES, SERVICES, Stack, until

pytestmark = pytest.mark.timeout(1800)
_REPOSITORY = ("-r", "server/components")
_SAVED = "/data/mosquitto.db"
_QUEUED = "health/waiting"
_EARS = ("mosquitto_sub", "-i", "ears", "-c", "-q", "1", "-t", _QUEUED)


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_can_write_to_its_volume_alone(stack: Stack, service: str) -> None:
    found = stack.inspected(service)["HostConfig"]
    assert found["ReadonlyRootfs"] is True
    assert found["CapDrop"] == ["ALL"]
    assert found["RestartPolicy"]["Name"] == "unless-stopped"
    told = stack.shell(service, "sh", "-c", "touch /x /app/x /etc/x 2>&1; touch /data/x && id -u")
    assert told.count("Read-only file system") >= 2
    assert int(told.splitlines()[-1]) >= 10000


def test_boxes_learn_from_what_is_played(stack: Stack) -> None:
    until(
        stack.round, lambda row: row["round"] >= 2 and all_answered(row), "two rounds, and all in"
    )
    for box in EDGES:
        until(partial(labelled, stack, box), partial(le, 100), f"labelled windows of {box}")
        assert stack.status(box)["messages"]["lost"] == {}


def all_answered(row: dict[str, Any]) -> bool:
    """A round may go on without a box whose heartbeat is late on a busy machine."""
    return bool(row["answered"] == list(EDGES))


def labelled(stack: Stack, box: str) -> int:
    return int(stack.status(box)["windows"]["labelled"])


def test_a_killed_cloud_goes_on_with_the_run_and_knows_its_sites(stack: Stack) -> None:
    before = stack.round()
    stack.kill("cloud")
    row = until(
        stack.round,
        lambda row: row["round"] > before["round"] and all_answered(row),
        "another round, with all boxes",
    )
    assert row["run"] == before["run"]


def test_a_killed_box_comes_back_with_its_ledger_windows_and_key(stack: Stack) -> None:
    charged, windows = stack.charges("edge-a"), stack.status("edge-a")["windows"]["kept"]
    stack.kill("edge-a")
    done = stack.round()["round"]
    until(
        stack.round,
        lambda row: row["round"] > done + 1 and "edge-a" in row["answered"],
        "a round with the box",
    )
    after, status = stack.charges("edge-a"), stack.status("edge-a")
    assert set(charged) < set(after)
    assert status["windows"]["kept"] >= windows
    assert status["messages"]["lost"] == {}


def test_a_killed_player_goes_on_where_it_was(stack: Stack) -> None:
    stack.kill("player")
    for box in EDGES:
        wanted = stack.status(box)["readings"]["total"] + 100
        until(partial(readings, stack, box), partial(le, wanted), f"readings for {box}")
        assert stack.status(box)["messages"]["lost"] == {}


def readings(stack: Stack, box: str) -> int:
    return int(stack.status(box)["readings"]["total"])


def test_a_killed_broker_keeps_sessions_and_what_they_wait_for(stack: Stack) -> None:
    stack.shell("broker", *_EARS, "-E")
    waiting = [f"waiting-{number}" for number in range(5)]
    for text in waiting:
        stack.shell("broker", "mosquitto_pub", "-q", "1", "-t", _QUEUED, "-m", text)
    until(
        lambda: stack.shell("broker", "grep", "-ac", waiting[-1], _SAVED, check=False),
        lambda found: found.strip() not in ("", "0"),
        "the broker has saved the last of them",
    )
    stack.kill("broker")
    got = until(
        lambda: stack.shell("broker", *_EARS, "-C", "5", "-W", "30"),
        lambda text: bool(text),
        "what waited",
    )
    assert got.split() == waiting
    for box in EDGES:
        until(partial(connected, stack, box), bool, f"{box} is back")
    until(partial(health, stack, "broker"), partial(eq, "healthy"), "the broker is healthy")


def test_the_broker_lets_in_nobody_without_a_password(stack: Stack) -> None:
    stranger = "env XDG_CONFIG_HOME=/nowhere mosquitto_sub -t events/+ -W 5 -C 1 2>&1"
    told = stack.shell("broker", "sh", "-c", stranger, check=False)
    assert "not authorised" in told.lower()


def connected(stack: Stack, box: str) -> bool:
    status = stack.status(box)
    return bool(status["broker"]["connected"]) and status["readings"]["per_s"] > 10


def test_the_run_ends_in_a_model_that_the_boxes_predict_with(stack: Stack) -> None:
    row = until(stack.round, lambda row: row["round"] == row.get("rounds"), "the last round")
    until(lambda: repository(stack, "list"), lambda text: "testing" in text, "a published model")
    for box in ("edge-b", "edge-c"):
        charges, asked = stack.charges(box), stack.rounds_that_ask_all()
        assert set(charges.values()) == {1}, box
        assert set() < asked <= set(charges) <= set(range(1, row["rounds"] + 1)), box
    assert set(stack.charges("edge-a")) <= set(range(1, row["rounds"] + 1))
    checkpoint = ("--checkpoint", "server/runs/first/checkpoints", "--device", "server")
    repository(stack, "check", "wearables", *checkpoint)
    repository(stack, "promote", "wearables")
    for box in EDGES:
        predicting(stack, box)
        until(partial(judged, stack, box), partial(le, 100), f"{box} knows how good it is")
        until(partial(health, stack, box), partial(eq, "healthy"), f"{box} is healthy")


def test_a_killed_box_still_has_the_model(stack: Stack) -> None:
    before = predicting(stack, "edge-b")
    stack.kill("edge-b")
    after = predicting(stack, "edge-b")
    assert after["model"]["digest"] == before["model"]["digest"]
    assert after["up_s"] < before["up_s"]


def repository(stack: Stack, command: str, *words: str) -> str:
    return stack.shell("cloud", "fl-repo", command, *words, *_REPOSITORY)


def predicting(stack: Stack, box: str) -> dict[str, Any]:
    return until(
        lambda: stack.status(box),
        lambda status: status["running"] and status["predictions"] > 0,
        f"{box} predicts",
    )


def judged(stack: Stack, box: str) -> int:
    return int(stack.status(box)["accuracy"]["judged"])


def health(stack: Stack, service: str) -> str:
    return str(stack.inspected(service)["State"]["Health"]["Status"])
