"""A Docker engine of the tests' own: started here, reached by a socket in its folder, and ended."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Self

import pytest

from tests.support.sources import ROOT

ARCHITECTURE = {"aarch64": "arm64", "x86_64": "amd64"}.get(platform.machine(), "unknown")
"""Debian's name of what this machine is."""
_PATIENCE_S = 180.0
_BUILD_S = 1500.0
PROGRAMS = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
}
"""Commands that the tests need, and the Debian package that has each."""


def missing() -> list[str]:
    """Packages that have to be installed, or what else is in the way."""
    absent = {package for name, package in PROGRAMS.items() if not _found(name)}
    return sorted(absent) + ([] if os.geteuid() == 0 else ["the rights of root"])


class EngineFailed(Exception):
    """It could not be started."""


class Engine:
    """``dockerd`` with everything that it keeps in ``folder``, which is removed with it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._socket = folder, folder / "docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Start it; EngineFailed with its last words where it does not answer."""
        command = [
            *(str(_found("dockerd")), "--host", f"unix://{self._socket}"),
            *("--data-root", str(self._folder / "data"), "--exec-root", str(self._folder / "run")),
            *("--pidfile", str(self._folder / "pid"), "--bridge", "none"),
        ]
        with (self._folder / "dockerd.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _PATIENCE_S
        while self.run("docker", "info", check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "dockerd.log").read_text()[-3000:]
                self._stop()
                raise EngineFailed(said)
            time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        for container in self.out("docker", "ps", "-aq").split():
            self.run("docker", "rm", "--force", "--volumes", container, check=False)
        self._stop()

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of the engine's client, compose or make, on this engine."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(), capture_output=True, text=True,
            timeout=_BUILD_S,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
        return done

    def out(self, *command: str) -> str:
        """What a command that must end well prints."""
        return self.run(*command).stdout.strip()

    def environment(self) -> Mapping[str, str]:
        """With the engine's address, and Debian's client before any other."""
        path = f"/usr/bin:/usr/sbin:{os.environ.get('PATH', os.defpath)}"
        return {
            **os.environ,
            "PATH": path,
            "DOCKER_HOST": f"unix://{self._socket}",
            "DOCKER_BUILDKIT": "0",
        }

    def load_base(self, system: Path, name: str, architecture: str) -> None:
        """The image ``name`` from the Debian system in the folder ``system``.

        ``docker import`` can't say that it is of another architecture; an archive for ``docker
        load`` does.
        """
        archive = self._folder / "archive"
        archive.mkdir()
        layer = archive / "layer.tar"
        subprocess.run(["tar", "-C", system, "-cf", layer, "."], check=True)
        with layer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        root = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
        config = {"architecture": architecture, "os": "linux", "config": {}, "rootfs": root}
        (archive / "config.json").write_text(json.dumps(config))
        manifest = {"Config": "config.json", "RepoTags": [name], "Layers": [layer.name]}
        (archive / "manifest.json").write_text(json.dumps([manifest]))
        packed = subprocess.Popen(["tar", "-C", archive, "-c", "."], stdout=subprocess.PIPE)
        with packed:
            subprocess.run(
                ["docker", "load", "--quiet"], stdin=packed.stdout, check=True,
                env=self.environment(), stdout=subprocess.DEVNULL,
            )  # fmt: skip
        assert packed.returncode == 0
        shutil.rmtree(archive)

    def _stop(self) -> None:
        """End it, and undo its mounts, so that the folder can be removed."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE_S)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in reversed([one for one in mounts if one.startswith(f"{self._folder}/")]):
            subprocess.run(["umount", "--lazy", place], check=False)
        subprocess.run(["rm", "-rf", self._folder], check=True)


@contextmanager
def engine_in(folder: Path) -> Iterator[Engine]:
    """An engine that has started; skips where none can run, but not in CI."""
    if absent := missing():
        can_not(f"needs {', '.join(absent)}")
    engine = Engine(folder)
    try:
        engine.start()
    except EngineFailed as error:
        can_not(f"no engine can run here: {error}")
    with engine:
        yield engine


def make_base(folder: Path, architecture: str) -> None:
    """A minimal Debian in ``folder``: where no image can be pulled, the only base there is."""
    command = [
        "debootstrap",
        f"--arch={architecture}",
        "--variant=minbase",
        "bookworm",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_S)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    downloaded = [str(folder / "var/cache/apt"), str(folder / "var/lib/apt/lists")]
    subprocess.run(["find", *downloaded, "-type", "f", "-delete"], check=True)


def can_not(reason: str) -> NoReturn:
    """Skip, but not in CI: there everything is, so that nothing may be left out."""
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


def _found(name: str) -> str | None:
    return shutil.which(name, path=f"/usr/bin:/usr/sbin:{os.environ.get('PATH', os.defpath)}")
