"""A stranger, and a box in wrong hands, at the broker of the stack. It runs without a container."""

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import psutil
import pytest
from omegaconf import OmegaConf
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.ports import free_port, until_it_listens
from tests.support.sources import ROOT

FOLDER = ROOT / "stacks" / "broker"
NAMES = ("edge-a", "edge-b", "player")
PASSWORDS = {name: f"word-of-{name}-1234" for name in NAMES}
TOPICS = [
    *(f"{kind}/{name}" for kind in ("labels", "predictions", "events") for name in NAMES),
    *(f"sensors/{name}/player" for name in NAMES),
    *("health/x", "strange/topic"),
]
PATIENCE_S = 120.0


class Broker:
    """``start-broker`` with this machine's paths in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        for name, kept in (
            ("start-broker",) * 2,
            ("mosquitto.conf", "stack.conf"),
            ("stack.acl",) * 2,
        ):
            text = re.sub("/(tmp|data|etc/mosquitto)/", f"{folder}/", (FOLDER / name).read_text())
            text = text.replace("listener 1883", f"listener {self.port} 127.0.0.1\nuser root")
            (folder / kept).write_text(text)
        accounts = " ".join(f"{name}:{word}" for name, word in PASSWORDS.items())
        path = f"{os.environ['PATH']}:/usr/sbin"
        self._log = (folder / "log").open("wb")
        self.process = psutil.Popen(
            ["sh", str(folder / "start-broker")],
            env={"PATH": path, "BROKER_ACCOUNTS": accounts}, stderr=self._log, stdout=self._log,
        )  # fmt: skip

    def wait(self) -> None:
        until_it_listens(self.process, self.port, self.folder / "log", PATIENCE_S)

    def client(self, name: str | None, password: str | None, **session: Any) -> aiomqtt.Client:
        return aiomqtt.Client(
            "127.0.0.1", self.port, username=name, password=password,
            protocol=aiomqtt.ProtocolVersion.V5, **session,
        )  # fmt: skip

    def own_password(self) -> str:
        return (self.folder / "mosquitto_sub").read_text().split()[-1]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    try:
        broker.wait()
        yield broker
    finally:
        broker.process.kill()
        broker.process.wait()


@pytest.mark.parametrize(
    ("name", "password"),
    [(None, None), ("edge-a", None), ("edge-a", PASSWORDS["edge-b"]), ("broker", ""), ("x", "x")],
)
def test_nobody_gets_in_without_the_password_of_an_account(
    broker: Broker, name: str | None, password: str | None
) -> None:
    async def connect() -> None:
        async with broker.client(name, password):
            pass

    with pytest.raises(aiomqtt.MqttError, match=r"Not authorized|Bad user name"):
        asyncio.run(connect())


async def write(broker: Broker, name: str, word: str, topic: str, payload: str) -> None:
    """Until the broker has it; it may end the connection of who writes where they must not."""
    with suppress(aiomqtt.MqttError):
        async with broker.client(name, word) as client:
            await client.publish(topic, payload, 1)


async def heard_by_all(broker: Broker) -> dict[str, list[tuple[str, str]]]:
    """What each account hears, as (writer, topic), when each subscribes to and writes everything.

    Its last topic is one that it may hear: what was let through before has come before.
    """
    words = {**PASSWORDS, "broker": broker.own_password()}
    heard: dict[str, list[tuple[str, str]]] = {name: [] for name in words}
    async with AsyncExitStack() as listening:
        ears = {
            name: await listening.enter_async_context(broker.client(name, word))
            for name, word in words.items()
        }
        for client in ears.values():
            await client.subscribe("#", 1)
        for name, word in words.items():
            for topic in TOPICS:
                await write(broker, name, word, topic, name)
        for name in NAMES:
            await write(broker, "player", words["player"], f"sensors/{name}/player", "end")
        await write(broker, "broker", words["broker"], "health/x", "end")
        for name, client in ears.items():
            async for message in client.messages:
                if message.payload == b"end":
                    break
                assert isinstance(message.payload, bytes)
                heard[name].append((message.payload.decode(), str(message.topic)))
    return heard


def test_a_box_hears_its_own_sensors_alone_and_speaks_for_no_other(broker: Broker) -> None:
    heard = asyncio.run(asyncio.wait_for(heard_by_all(broker), PATIENCE_S))
    for box in ("edge-a", "edge-b"):
        assert sorted(heard[box]) == [
            ("player", f"labels/{box}"),
            ("player", f"sensors/{box}/player"),
        ]
    said = [(box, f"{kind}/{box}") for box in NAMES for kind in ("events", "predictions")]
    assert sorted(heard["broker"]) == sorted([*said, ("broker", "health/x")])


async def heard_under_the_name_of_another(broker: Broker) -> list[str]:
    """What waits in a session of ``edge-a``, when ``edge-b`` takes it up by its identifier."""
    waits = Properties(PacketTypes.CONNECT)
    waits.SessionExpiryInterval = 3600
    session = {"identifier": "the-box", "clean_start": False, "properties": waits}
    async with broker.client("edge-a", PASSWORDS["edge-a"], **session) as box:
        await box.subscribe("#", 1)
    for name in ("edge-a", "edge-b"):
        await write(broker, "player", PASSWORDS["player"], f"sensors/{name}/player", "private")
    async with broker.client("edge-b", PASSWORDS["edge-b"], **session) as thief:
        await write(broker, "player", PASSWORDS["player"], "labels/edge-b", "end")
        heard = []
        async for message in thief.messages:
            heard.append(str(message.topic))
            if message.payload == b"end":
                break
    return heard


def test_a_session_taken_over_by_another_box_gives_it_nothing(broker: Broker) -> None:
    heard = asyncio.run(asyncio.wait_for(heard_under_the_name_of_another(broker), PATIENCE_S))
    assert heard == ["labels/edge-b"]


def test_passwords_are_kept_hashed_and_left_to_no_program(broker: Broker) -> None:
    kept = broker.folder / "accounts"
    assert kept.stat().st_mode & 0o077 == 0
    hashed = kept.read_text().splitlines()
    assert [line.partition(":")[0] for line in hashed] == [*NAMES, "broker"]
    assert all(re.fullmatch(r"[\w-]+:\$[67]\$\S+", line) for line in hashed)
    shown = f"{broker.process.environ()} {broker.process.cmdline()}"
    for secret in (*PASSWORDS.values(), broker.own_password()):
        assert secret not in shown
        assert secret not in kept.read_text()


def test_a_container_of_the_stack_has_its_own_password_alone() -> None:
    file = OmegaConf.to_container(OmegaConf.load(ROOT / "stacks/compose.yaml"), resolve=False)
    assert isinstance(file, dict)
    for name, service in file["services"].items():
        own = re.findall(r"\$\{(\w+)_PASSWORD:\?", str(service.get("environment", "")))
        names = [one.lower().replace("_", "-") for one in own]
        everybody = ["edge-a", "edge-b", "edge-c", "player"]
        assert names == {"broker": everybody, "cloud": []}.get(name, [name])


def make_accounts(file: Path) -> Sequence[str]:
    subprocess.run(["make", str(file), f"ACCOUNTS={file}"], cwd=ROOT, check=True, timeout=60)
    return file.read_text().splitlines()


def test_make_up_makes_passwords_once_that_are_its_user_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "accounts"
    made = make_accounts(file)
    assert file.stat().st_mode & 0o077 == 0
    assert all(re.fullmatch(r"[A-Z_]+_PASSWORD=[0-9a-f]{48}", line) for line in made)
    assert len({line.partition("=")[2] for line in made}) == 4
    assert make_accounts(file) == made
    assert make_accounts(tmp_path / "others") != made


def test_the_passwords_get_into_no_commit_no_image_and_no_component() -> None:
    told = subprocess.run(["make", "-n", "down"], cwd=ROOT, check=True, capture_output=True)
    (accounts,) = re.findall(rf"--env-file {ROOT}/(\S+)", told.stdout.decode())
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    published = ("functions", "stacks")
    assert f"{Path(accounts).parent}/" in ignored
    assert not [line for line in ignored if line.strip("/").startswith(published)]
    assert (ROOT / ".dockerignore").read_text().splitlines()[1:] == [
        "*",
        "!stacks",
        "!.stack/wheels",
    ]
