"""An edge box in a container, with its data in a folder of the test's."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from tests.support.docker import Engine

USER = 10001
"""Whom the image runs as."""
_PORT = 9464
_HARDENED = ("--read-only", "--tmpfs", gettempdir(), "--cap-drop", "ALL")


@dataclass(frozen=True)
class ContainerBox:
    """``fl-client run`` in the container ``identity`` on ``engine``."""

    engine: Engine
    identity: str

    def status(self) -> dict[str, Any]:
        """Its status; empty where it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/status", timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except (OSError, ValueError):
            return {}

    def health(self) -> str:
        """What the image's own health check found: starting, healthy or unhealthy."""
        return self.engine.out("docker", "inspect", "-f", "{{.State.Health.Status}}", self.identity)

    def log(self) -> str:
        """All it wrote."""
        done = self.engine.run("docker", "logs", self.identity, check=False)
        return done.stdout + done.stderr

    def python(self, code: str, *arguments: str) -> str:
        """What Python in the container prints."""
        line = ("docker", "exec", self.identity, "python", "-c", code, *arguments)
        return self.engine.out(*line)

    def resident_mb(self) -> float:
        """Memory of all its processes; what they share counts once."""
        return resident_mb(self.engine, self.identity)


def resident_mb(engine: Engine, container: str) -> float:
    """Memory of all processes in ``container``, in MB; what they share counts once."""
    pids = engine.out("docker", "top", container, "-eo", "pid").split()[1:]
    lines = [_rollup(pid) for pid in pids]
    return sum(int(line.split()[1]) for lines_ in lines for line in lines_) * 1024 / 1e6


def _rollup(pid: str) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # ended meanwhile
        return []
    return [line for line in text.splitlines() if line.startswith("Pss:")]


def takes_as_stated(found_mb: float, stated_mb: float) -> bool:
    """Is it not half of what is stated, nor over a third more? So far machines differ."""
    return stated_mb / 2 < found_mb < stated_mb * 4 / 3


@contextmanager
def box_in(
    engine: Engine, image: str, home: Path, port: int, *options: str
) -> Iterator[ContainerBox]:
    """A box of ``image`` named as the folder ``home``, on this machine's broker at ``port``.

    ``options`` are further ones of ``docker run``.
    """
    give(home)
    run = ["docker", "run", "--detach", "--network", "host", *_HARDENED]
    run += ["--security-opt", "no-new-privileges:true", "--volume", f"{home}:/data/site"]
    node = ["run", "home=/data/site", f"name={home.name}", "sensors=wearables_raw"]
    node += [f"broker.port={port}", "broker.retry_first=0.1", "retention.days=36500"]
    identity = engine.out(*run, *options, image, *node)
    try:
        yield ContainerBox(engine, identity)
    finally:
        engine.run("docker", "rm", "--force", "--volumes", identity, check=False)


def give(home: Path) -> None:
    """Make the box's user the owner of all in ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run(["chown", "-R", f"{USER}", home], check=True)
