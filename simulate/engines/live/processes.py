"""The processes of a live fleet: mosquitto and the nodes. All end with the context."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from omegaconf import OmegaConf

from fl_client.home import MODEL, RECORD, SLOTS
from fl_client.inference.slots import ModelSlot
from fl_client.node.status import read_status
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.programs.own import own_program
from fl_common.vocabulary import Task
from fl_server.cloud.children import end, start
from models.kinds.multilabel import BETWEEN
from simulate.engines.live.functions import LiveFunctions

HOST = "127.0.0.1"
CONFIG = "site.yaml"  # begins with conf/node.yaml, so it may not have that name
_READY_S = 120.0
_LOOK_S = 0.1


def find_mosquitto() -> str:
    """The broker's program. Debian installs it in an sbin folder, which is only on root's PATH.

    Raises:
        InvalidConfiguration: it is not installed.
    """
    folders = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    places = [str(place) for folder in folders for place in (folder, folder.parent / "sbin")]
    program = shutil.which("mosquitto", path=os.pathsep.join(places)) if places else None
    if program is None:
        raise InvalidConfiguration(
            "engine=live",
            "needs the MQTT broker mosquitto, which is not on the PATH",
            "Install it with: apt-get install mosquitto (macOS: brew install mosquitto)",
        )
    return program


def write_node(
    folder: Path,
    name: str,
    task: Task,
    step: int,
    port: int,
    model: Path,
    functions: LiveFunctions,
) -> Path:
    """The folder of a node, ready to run: its configuration, and ``model`` in its slot."""
    home = folder.absolute() / name
    slot = ModelSlot(home / SLOTS / MODEL)
    slot.activate(slot.place(model))
    components = functions.components
    values = {
        "name": name,
        "home": str(home),
        "task": {"_target_": "models.tasks.declared", **declared_as(task)},
        "broker": {"host": HOST, "port": port},
        "windows": {"step": step, "shape": functions.shape},
        "http": {"port": 0},
        **({"components": dict(components)} if components else {}),
        "sensors": {"player": _sensor(name, task)},
    }
    file = home / CONFIG
    text = OmegaConf.to_yaml(OmegaConf.create(values))
    own = ", override functions: none" if components else ""  # those that are played, and no other
    file.write_text(f"defaults: [node, override sensors: none{own}, _self_]\n{text}")
    return file


def declared_as(task: Task) -> Mapping[str, Any]:
    """The arguments of ``models.tasks.declared`` that give ``task``."""
    fields = {k: list(v) if isinstance(v, tuple) else v for k, v in task.to_fields().items()}
    options = dict(task.kind.options)
    if "low" in options:
        options["range"] = [options.pop("low"), options.pop("high")]
    if "labels" in options:
        options["labels"] = options["labels"].split(BETWEEN)
    return {**fields, "kind": task.kind.name, **options}


def _sensor(name: str, task: Task) -> Mapping[str, Any]:
    """The one sensor of a node: what its player sends."""
    channels = [
        {"name": channel, "field": f"v.{column}", "unit": unit}
        for column, (channel, unit) in enumerate(zip(task.channels, task.units, strict=True))
    ]
    decoder = {
        "_target_": "fl_client.sensors.decoders.json.JsonDecoder",
        "time": "t",
        "time_unit": "ns",
        "id": None,
    }
    return {
        "_target_": "fl_client.sensors.sensor.Sensor",
        "topic": f"sensors/{name}/player",
        "rate_hz": task.rate_hz,
        "decoder": decoder,
        "channels": channels,
    }


class Processes:
    """Starts processes in their own groups, so that a Ctrl-C does not reach them, and ends them.

    ``logs`` is the folder of their logs.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End them all: first the nodes, which record what was sent, then the broker."""
        while self._running:
            processes = list(self._running.values())[1:] or list(self._running.values())
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
            for process in processes:
                end(process)
            self._running = {n: p for n, p in self._running.items() if p not in processes}

    def check(self) -> None:
        """Raise RunFailed if one has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise RunFailed(
                    f"{name} ended with status {process.returncode}: {self._last_line(name)}"
                )

    async def start_broker(self, program: str, port: int | None) -> int:
        """Start mosquitto on ``port`` (None: a free one), before all others; returns its port.

        Raises:
            RunFailed: it does not respond.
        """
        port = _free_port() if port is None else port
        config = self._logs / "mosquitto.conf"
        lines = (f"listener {port} {HOST}", "allow_anonymous true", "persistence false",
                 "max_queued_messages 0", "max_inflight_messages 0", "log_dest stderr")  # fmt: skip
        config.write_text("\n".join(lines) + "\n")
        self._start("mosquitto", [program, "-c", str(config)])
        await self._until(lambda: _answers(port), "mosquitto")
        return port

    def start_node(self, name: str, config: Path) -> None:
        """Start ``fl-client run`` of a configuration."""
        self._start(name, own_program("fl_client", "run", "--config", str(config)))

    async def node_ready(self, home: Path, given_up: Callable[[], bool]) -> bool:
        """Wait until the node is connected and serves its model; False if ``given_up`` came first.

        Raises:
            RunFailed: it is not in time.
        """
        await self._until(lambda: given_up() or _is_ready(home), home.name)
        return not given_up()

    def _start(self, name: str, command: list[str]) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = start(command, log.fileno(), {"OMP_NUM_THREADS": "1"})

    async def _until(self, holds: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + _READY_S
        while not await asyncio.to_thread(holds):
            self.check()
            if time.monotonic() > deadline:
                raise RunFailed(
                    f"{name} is not ready after {_READY_S:g} s: {self._last_line(name)}"
                )
            await asyncio.sleep(_LOOK_S)

    def _last_line(self, name: str) -> str:
        log = self._logs / f"{name}.log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
        return f"{lines[-1] if lines else 'it said nothing'} (all of it: {log})"


def _is_ready(home: Path) -> bool:
    if not (home / RECORD).is_file():
        return False
    status = read_status(home)
    return bool(status["running"]) and not status["wrong"]


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
