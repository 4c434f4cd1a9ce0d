"""What goes wrong around the link: cables, disks, floods, doubles, strangers."""

import asyncio
import logging
import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fl_client.sensors.transports import Delivery, Taken
from fl_client.sensors.transports.mqtt.faults import CONNECTING
from fl_client.sensors.transports.mqtt.publishing import NotConnected
from fl_client.sensors.transports.mqtt.transport import MqttTransport
from fl_common.errors import InvalidConfiguration
from fl_common.programs.troubles import Troubles
from fl_common.wire.cloud_events import MqttEvent
from tests.support.disk import fill, small_disk
from tests.support.edge import NOW, Node, balanced, broker_of, payload, publish
from tests.support.mosquitto import Mosquitto
from tests.support.ports import free_port
from tests.support.proxy import Proxy


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.mark.slow
def test_network_cut_and_mended(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with Proxy(mosquitto.port) as proxy:
            node = Node(tmp_path, broker_of(proxy.port, keepalive=1))
            async with node.running():
                await node.connected()
                await publish(mosquitto.port, range(100))
                await node.until(lambda c: c.received == 100)
                proxy.cut()
                await publish(mosquitto.port, range(100, 300))
                await node.until(lambda _: not node.link.status.connected)
                proxy.mend()
                counts = await node.until(lambda c: c.received == 300)
                assert balanced(counts)
                assert counts.lost == {}

    asyncio.run(scenario())


@pytest.mark.slow
def test_disk_full_and_freed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(disk: Path, mosquitto: Mosquitto) -> None:
        node = Node(disk, broker_of(mosquitto.port))
        async with node.running():
            await node.connected()
            await publish(mosquitto.port, range(50))
            await node.until(lambda c: c.received == 50)
            fill(disk / "filler")
            await publish(mosquitto.port, range(50, 5000))
            await node.until(lambda _: "disk is full" in node.link.state().fault)
            assert "broker keeps" in node.link.state().remedy
            counts = await node.counts()
            assert balanced(counts)
            assert counts.received < 5000
            (disk / "filler").unlink()
            counts = await node.until(lambda c: c.received == 5000)
            assert (counts.waiting, counts.lost) == (5000, {})

    with (
        small_disk(tmp_path / "disk", "6m") as disk,
        Mosquitto(tmp_path / "broker") as mosquitto,
    ):
        asyncio.run(scenario(disk, mosquitto))
    assert "Free some space on it" in caplog.text


@pytest.mark.parametrize("qos", [0, 1])
def test_a_flooding_sensor_is_held_back(tmp_path: Path, mosquitto: Mosquitto, qos: int) -> None:
    batches = []

    class Slow(Node):
        async def take(self, batch: Sequence[Delivery]) -> Taken:
            batches.append(len(batch))
            await sent.wait()
            return await super().take(batch)

    sent = asyncio.Event()

    async def scenario() -> None:
        node = Slow(tmp_path, broker_of(mosquitto.port, in_flight=30))
        async with node.running():
            await node.connected()
            await publish(mosquitto.port, range(5000), qos)
            sent.set()
            if qos:
                await node.until(lambda c: c.received == 5000)
            await publish(mosquitto.port, range(5000, 5001))
            await node.until(lambda c: c.received >= 1 and "5000" in newest(node))

    asyncio.run(scenario())
    assert max(batches) <= 32


def newest(node: Node) -> str:
    (found,) = node.connection.execute("SELECT max(id) FROM spool").fetchone()
    return str(found)


@pytest.mark.long
@pytest.mark.parametrize("old", [False, True], ids=["5", "3.1.1"])
def test_two_nodes_of_one_identity_do_not_fight(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture, old: bool
) -> None:
    """This mosquitto does not tell the first one why, in either version."""

    async def scenario() -> None:
        for_ever = asyncio.Event()

        async def sleep(seconds: float) -> None:
            await (for_ever.wait() if seconds >= 60 else asyncio.sleep(seconds))

        async with Proxy(mosquitto.port, old) as proxy:
            broker = broker_of(proxy.port, retry_most=30.0)
            nodes = []
            for name in "ab":
                (tmp_path / name).mkdir()
                node = Node(tmp_path / name, broker)
                chance = random.Random(ord(name))
                node.link = MqttTransport(broker, chance, Troubles(), sleep)
                nodes.append(node)
            first, second = nodes
            links = [node.link.status for node in nodes]
            async with first.running(), second.running():
                await first.until(lambda _: any(link.taken_over for link in links))
                await first.until(lambda _: any(link.connected for link in links))
                await publish(mosquitto.port, range(200))
                winner = next(node for node in nodes if node.link.status.connected)
                await winner.until(lambda c: c.received == 200)
                assert sum(link.connections for link in links) <= 7
                assert sorted(link.taken_over for link in links) == [0, 1]

    asyncio.run(scenario())
    assert "Give each node a broker.identity of its own" in caplog.text


def test_a_broker_that_says_who_took_over_is_believed_at_once(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with Proxy(mosquitto.port) as proxy:
            node = Node(tmp_path, broker_of(proxy.port, taken_over_seconds=3600.0))
            async with node.running():
                await node.connected()
                proxy.say(b"\xe0\x01\x8e")  # DISCONNECT, session taken over
                await node.until(lambda _: node.link.status.taken_over == 1)
                assert not node.link.status.connected
                assert "broker.identity of its own" in node.link.state().remedy

    asyncio.run(scenario())
    assert "another client took over the session of node" in caplog.text


def test_predictions_go_out_on_the_same_connection(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        node = Node(tmp_path, broker_of(mosquitto.port))
        with pytest.raises(NotConnected):
            await node.link.publish("site/1/wrist", MqttEvent(None, (), payload(1)))
        async with node.running():
            await node.connected()
            described = MqttEvent("text/json", (("a", "b"),), payload(1))
            await node.link.publish("site/1/wrist", described)
            await node.until(lambda c: c.received == 1)

    asyncio.run(scenario())


def test_a_node_whose_clock_is_an_hour_behind_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async def scenario() -> None:
        node = Node(tmp_path, broker_of(mosquitto.port))
        async with node.running():
            await node.connected()
            await publish(mosquitto.port, range(100))
            await node.until(lambda c: c.received == 100)
            node.now_ns = NOW - 3600 * 10**9
            await publish(mosquitto.port, range(50, 200))
            counts = await node.until(lambda c: c.received + c.duplicates == 250)
            assert (counts.received, counts.duplicates, counts.lost) == (200, 50, {})

    asyncio.run(scenario())


def certificates(folder: Path) -> None:
    """An authority, and certificates of the broker and the node."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ca", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.crt")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "node"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout",
                f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days",
                "2", "-CAcreateserial", "-extfile", "names", "-out", f"{name}.crt")  # fmt: skip


@pytest.mark.slow
def test_tls_with_certificates_and_a_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificates(tmp_path)
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "anna", "secret-word"], check=True)
    port = free_port()
    lines = [f"password_file {passwords}", f"listener {port} 127.0.0.1",
             f"cafile {tmp_path / 'ca.crt'}", f"certfile {tmp_path / 'server.crt'}",
             f"keyfile {tmp_path / 'server.key'}", "require_certificate true"]  # fmt: skip

    def node(name: str, **changes: object) -> Node:
        (tmp_path / name).mkdir()
        tls = {"ca_file": tmp_path / "ca.crt", "certificate_file": tmp_path / "node.crt",
               "key_file": tmp_path / "node.key", "username": "anna",
               "password": "secret-word", "identity": name}  # fmt: skip
        return Node(tmp_path / name, broker_of(port, **(tls | changes)))

    async def scenario(plain: int) -> None:
        good = node("good")
        async with good.running():
            await good.connected()
            await publish(plain, range(300), user=("anna", "secret-word"))
            await good.until(lambda c: c.received == 300)
        wrong = node("wrong", password="secret-wrong")
        bare = node("bare", certificate_file=None, key_file=None)
        for refused in (wrong, bare):
            async with refused.running():
                await refused.until(lambda _, r=refused: r.link.status.fault is not CONNECTING)  # type: ignore[misc]
                assert refused.link.status.connections == 0

    with caplog.at_level(logging.DEBUG), Mosquitto(tmp_path / "broker", lines, False) as mosquitto:
        asyncio.run(scenario(mosquitto.port))
    assert "Not authorized" in caplog.text
    assert "secret" not in caplog.text
    assert "secret" not in repr(broker_of(1, username="anna", password="secret-word"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"port": 0}, "broker.port=0"), ({"identity": ""}, "broker.identity"),
     ({"password": "secret"}, "needs a username"), ({"retry_most": 0.01}, "retry_most"),
     ({"ca_file": Path("nowhere.crt")}, "nowhere.crt: is no file"),
     ({"certificate_file": Path("a")}, "certificate_file and key_file"),
     ({"certificate_file": Path("a"), "key_file": Path("b")}, "TLS only")],
)  # fmt: skip
def test_a_broker_that_can_not_be_meant_is_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidConfiguration, match=named) as caught:
        broker_of(**{"port": 1883, **changes})  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
