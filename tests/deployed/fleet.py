"""A deployment for tests: the real server and site processes, on ports of their own."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from fl_client.ledger.ledger import Ledger
from fl_common.vocabulary import Task
from fl_server.cloud import commands
from fl_server.cloud.build import read_config
from tests.support.ports import free_port
from tests.support.samples import TASK
from tests.support.sources import ROOT

PATIENCE_S = 400.0
_SHOWN = 40
"""Lines of a log."""
PACE = {
    "_target_": "fl_client.federation.link.PollingIntervals",
    "poll_first_s": 0.05,
    "poll_most_s": 0.2,
    "retry_first_s": 0.5,
    "retry_most_s": 3.0,
    "rest_s": 600.0,
}


def toy() -> Task:
    return TASK


def until(
    holds: Callable[[], Any],
    what: str,
    patience_s: float = PATIENCE_S,
    log: Callable[[], str] = str,
) -> Any:
    """What ``holds`` gives, as soon as it is true; a failure shows the end of ``log``."""
    deadline = time.monotonic() + patience_s
    while not (value := holds()):
        if time.monotonic() >= deadline:
            raise AssertionError("\n".join([f"never: {what}", *log().splitlines()[-_SHOWN:]]))
        time.sleep(0.1)
    return value


@dataclass
class Process:
    """A process in a group of its own, its output in ``log``; ``variables`` are added."""

    command: Sequence[str]
    log: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, **self.variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        assert self.popen is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()

    def kill_alone(self) -> None:
        """Without what it started."""
        assert self.popen is not None
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> int:
        assert self.popen is not None
        self.popen.terminate()
        return self.popen.wait(60)

    def said(self, *words: str) -> bool:
        text = self.log.read_text() if self.log.is_file() else ""
        return any(all(word in line for word in words) for line in text.splitlines())


@dataclass
class Cloud:
    """``fl-server`` in ``home``, with toy settings and those of ``changes``."""

    folder: Path
    changes: Mapping[str, Any]
    net: str = "logistic"
    evaluation: str = "central"
    port: int = field(default_factory=free_port)
    superlink_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.home = self.folder / "server"
        self.config = self.folder / "cloud.yaml"
        values = {
            "defaults": [
                "server",
                {"override /net": self.net},
                {"override /evaluation": self.evaluation},
                "_self_",
            ],
            "home": str(self.home),
            "hosts": ["localhost", "127.0.0.1"],
            "listen": f"127.0.0.1:{self.port}",
            "superlink_port": self.superlink_port,
            "task": {"_target_": "tests.deployed.fleet.toy"},
            "restart": {"first_s": 0.2, "most_s": 5.0},
            **self.changes,
            "privacy": {"site_windows": 32, **self.changes.get("privacy", {})},
            # Toy trainers send what they send, and by the rule no rate suits their noise.
            "training": {"learning_rate": 0.6, **self.changes.get("training", {})},
        }
        OmegaConf.save(OmegaConf.create(values), self.config)
        start = self.words("start")
        self.process = Process(start, self.folder / "server.log")

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "fl_server", *words, "--config", str(self.config)]

    def start(self) -> None:
        self.process.start()
        self.await_ready(1)

    def await_ready(self, times: int) -> None:
        """Wait until it has said so often that it is ready."""
        log = self.process.log
        until(lambda: log.read_text().count("ready: sites reach") >= times, "the server is ready")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another command of ``fl-server`` on the same configuration."""
        return subprocess.run(
            self.words(*words), cwd=ROOT, capture_output=True, text=True, timeout=400
        )

    def pid(self, name: str) -> int:
        """The process number of a child of the server."""
        path = self.home / "server.json"

        def now() -> Any:
            return json.loads(path.read_text())["children"][name]["pid"] if path.is_file() else None

        return int(until(now, f"{name} runs"))

    def kill(self, name: str) -> None:
        """End a child of the server, without a warning to it."""
        os.kill(self.pid(name), signal.SIGKILL)

    def log(self, name: str) -> str:
        path = self.home / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.is_file() else ""

    def newest(self) -> dict[str, Any]:
        """What is known of the newest round; ``round`` 0 before the first."""
        path = self.home / "runs" / "first" / "round.json"
        values: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {"round": 0}
        return values

    def round(self) -> int:
        return int(self.newest()["round"])

    def await_line(self, pattern: str) -> str:
        """Wait for a line of the runner's log that ``pattern`` is found in."""
        line: str = until(
            lambda: next((x for x in self.log("runner").splitlines() if re.search(pattern, x)), ""),
            f"{pattern} in the runner's log",
            log=partial(self.log, "runner"),
        )
        return line

    def await_rounds(self, more: int) -> dict[str, Any]:
        """Wait for as many rounds more than there are now; the newest one."""
        wanted = self.round() + more
        until(lambda: self.round() >= wanted, f"round {wanted}", log=partial(self.log, "runner"))
        return self.newest()

    def await_round_with(
        self, holds: Callable[[dict[str, Any]], bool], what: str
    ) -> dict[str, Any]:
        """The first round from the next one on for which ``holds`` is true."""
        first = self.round() + 1

        def found() -> dict[str, Any] | None:
            row = self.newest()
            return row if row["round"] >= first and holds(row) else None

        row: dict[str, Any] = until(found, what, log=partial(self.log, "runner"))
        return row


@dataclass
class TestSite:
    """An enrolled site's folder and process."""

    __test__ = False
    cloud: Cloud
    name: str
    kind: str = "site"
    server: str | None = None
    """Where it looks for the server; None: where the server is."""

    def __post_init__(self) -> None:
        self.folder = self.cloud.folder / self.name
        self.folder.mkdir()
        self.process = Process(
            [sys.executable, "-m", "tests.deployed.site", str(self.folder)],
            self.folder / "site.log",
        )

    def enroll(self) -> None:
        """As the command does, without a process for it."""
        told = commands.enroll(read_config(self.cloud.config, []), self.name, self.kind, None)
        lines = dict(line.split("=", 1) for line in told)
        assert lines.pop("name") == self.name
        self.settings = {name.removeprefix("federation."): value for name, value in lines.items()}
        self.configure()

    def configure(self, **changes: Any) -> None:
        values = {**self.settings, "heartbeat_s": 10, "pace": PACE, **changes}
        if self.server is not None:
            values["server"] = self.server
        (self.folder / "federation.json").write_text(json.dumps(values))

    def behave(self, **values: Any) -> None:
        partial = self.folder / "behaviour.partial"
        partial.write_text(json.dumps(values))
        partial.replace(self.folder / "behaviour.json")

    def busy(self) -> str:
        """The run and round that it is slow over."""
        path = self.folder / "busy.txt"
        return path.read_text() if path.is_file() else ""

    def rounds_trained(self) -> Counter[str]:
        path = self.folder / "trained.txt"
        return Counter(path.read_text().splitlines() if path.is_file() else [])

    def rounds_charged(self) -> Counter[str]:
        """How often each round is in the ledger."""
        ledger = Ledger(self.folder / "ledger.sqlite", time.time, None)
        try:
            return Counter(f"{entry.run} {entry.round}" for entry in ledger.entries(self.name))
        finally:
            ledger.close()
