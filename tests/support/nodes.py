"""A whole node as a process, with a sensor that sends to it and ears that hear it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import torch
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from fl_client.home import MODEL, SLOTS
from fl_client.inference.slots import ModelSlot
from fl_common.vocabulary import NetSpec, Task
from models import tasks
from models.export import export_onnx
from models.lineage import Lineage
from models.nets import build_net
from tests.support.sources import ROOT

PATIENCE = 120.0  # seconds
START = 1_700_000_000 * 10**9
PERIOD = 20_000_000  # nanoseconds at 50 Hz
ROWS = 16  # readings in a message
WEARABLES = tasks.wearables()


def wait_for(holds: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first true value of ``holds``, which may take ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def place_model(home: Path, seed: int = 0, task: Task = WEARABLES) -> str:
    """An untrained model of ``task`` in the slot of ``home``; its digest."""
    net = NetSpec("models.nets.logistic.Logistic", {})
    torch.set_num_threads(1)
    path = home.parent / f"model-{seed}.onnx"
    lineage = Lineage("test", "run", 1, net, {"unit": "none"})
    values = np.zeros((1, *task.window_shape), np.float32)
    export_onnx(build_net(net, task, seed), task, path, lineage, values)
    slot = ModelSlot(home / SLOTS / MODEL)
    digest = slot.place(path)
    slot.activate(digest)
    return digest


def message(number: int, start_ns: int = START) -> bytes:
    """The watch's message ``number`` in raw form: 16 readings of six channels."""
    times = np.arange(number * ROWS, (number + 1) * ROWS) / 50
    values = np.sin(times[:, None] * np.arange(1, 7)).astype("<f4")
    return (start_ns + number * ROWS * PERIOD).to_bytes(8, "little") + values.tobytes()


class NodeProcess:
    """``fl-client run`` in ``home``, on the broker at ``port``; with ``python``, in ``folder``.

    ``config`` is its file of configuration; None: the shipped one, with a watch that sends bytes.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        *overrides: str,
        python: str = sys.executable,
        folder: Path = ROOT,
        config: Path | None = None,
    ) -> None:
        self.home, self._folder = home, folder
        self._log = home.parent / f"{home.name}.log"
        home.mkdir(parents=True, exist_ok=True)
        self._command = [
            *(python, "-m", "fl_client", "run", f"home={home}", f"name={home.name}"),
            *(["--config", str(config)] if config else ["sensors=wearables_raw"]),
            *(f"broker.port={port}", "http.port=0"),
            *(
                "broker.retry_first=0.1",
                "broker.retry_most=0.5",
                "retention.days=36500",
                "function_host.seconds=20",  # no function of these ends late on a busy machine
                *overrides,
            ),
        ]

    def start(self) -> None:
        """Start it; it may not be ready yet."""
        (self.home / "node.json").unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=self._folder, stderr=log, start_new_session=True
            )

    def wait(self, *, healthy: bool = True) -> None:
        """Until it is connected and has a model; or, not ``healthy``, until it answers."""

        def holds() -> bool:
            assert self.process.poll() is None, self.log()
            status = self.status()
            return bool(status) and (not healthy or not status["wrong"])

        wait_for(holds, f"a node that is ready: {self.log()[-2000:]}")

    def ask(self, path: str) -> tuple[int, bytes]:
        """Status code and body of a GET of its HTTP port; 0 where nothing answers."""
        try:
            port = json.loads((self.home / "node.json").read_text())["port"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except (OSError, ValueError):
            return 0, b""

    def status(self) -> dict[str, Any]:
        """Its status; empty where it does not answer."""
        code, body = self.ask("/status")
        found: dict[str, Any] = json.loads(body) if code == 200 else {}
        return found

    def log(self) -> str:
        """All it wrote."""
        return self._log.read_text()

    def kill(self) -> None:
        """kill -9, of it and its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def node(
    home: Path, port: int, *overrides: str, python: str = sys.executable, folder: Path = ROOT
) -> Iterator[NodeProcess]:
    """A node that has started, and is gone afterwards."""
    process = NodeProcess(home, port, *overrides, python=python, folder=folder)
    process.start()
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


class World:
    """A sensor that publishes, and all predictions and events that are heard, with their ids."""

    def __init__(
        self, port: int, name: str, protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
    ) -> None:
        self._name = name
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.ids: list[str] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self._client.on_message = self._hear
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _hear(self, client: paho.Client, data: Any, got: paho.MQTTMessage) -> None:
        if not got.topic.startswith(("sensors/", "labels/", "status/")):
            attributes = dict(getattr(got.properties, "UserProperty", ()))
            event = json.loads(got.payload)
            if "specversion" in event:  # structured, as without properties
                attributes, event = event, event["data"]
            self.ids.append(attributes.get("id", ""))
            self.heard.append((got.topic, event))

    def send(
        self, first: int, last: int, start_ns: int = START, machine: str | None = None
    ) -> None:
        """The watch's messages from ``first`` up to ``last``; returns when the broker has them.

        They are those of ``machine``, or of the node's only watch.
        """
        wait_for(self._client.is_connected, "a sensor with a broker")
        topic = f"sensors/{machine or self._name}/watch"
        sent = [
            self._client.publish(topic, message(number, start_ns), 1)
            for number in range(first, last)
        ]
        for each in sent:
            each.wait_for_publish(PATIENCE)

    def annotate(self, from_ns: int, to_ns: int, label: str) -> None:
        """A label for an interval."""
        text = json.dumps({"from": from_ns, "to": to_ns, "label": label})
        self._client.publish(f"labels/{self._name}", text, 1).wait_for_publish(PATIENCE)

    def events(self) -> dict[str, dict[str, Any]]:
        """The data of the events heard, by id, in order; an id has the same data each time."""
        found: dict[str, dict[str, Any]] = {}
        for number, (_, data) in zip(self.ids, self.heard, strict=False):
            assert found.setdefault(number, data) == data, f"two events of one id: {number}"
        return found

    def starts(self, machine: str | None = None) -> set[int]:
        """Starts of the windows of which predictions were heard, of ``machine`` or of the node."""
        wanted = "/".join(filter(None, ("predictions", self._name, machine)))
        return {data["window_start_ns"] for topic, data in self.heard if topic == wanted}

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def expected_starts(messages: int) -> set[int]:
    """Starts of the windows that the watch's first ``messages`` fill, of 128 rows each 64."""
    step, last = 64 * PERIOD, START + (messages * ROWS - 1) * PERIOD
    first = -(-START // step) * step
    return {s for s in range(first, last, step) if s + 127 * PERIOD <= last}
