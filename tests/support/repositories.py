"""A component repository for tests: small, with keys of its own, on a clock that can be set."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata

from fl_common.components.description import Component, Kind, Stage
from fl_common.components.reader import Limits, Reader
from fl_common.errors import ComponentError
from fl_server.repository.store.keys import KeyRing
from fl_server.repository.store.metadata import SignedFolder, Signers
from fl_server.repository.store.repository import ComponentRepository, RepositorySettings

LIMITS = Limits(timeout_s=20, bytes_per_second=10, manifest_bytes=100_000, component_bytes=10**7)
EXPIRY_DAYS = {
    "root": 365.0, "targets": 365.0, "testing": 90.0, "production": 90.0, "snapshot": 7.0,
    "timestamp": 1.0,
}  # fmt: skip
SIGNERS = {
    "root": Signers(3, 2), "targets": Signers(2, 1), "testing": Signers(1, 1),
    "production": Signers(2, 2), "gates": Signers(1, 1), "snapshot": Signers(1, 1),
    "timestamp": Signers(1, 1),
}  # fmt: skip
DESCRIPTION = {"licence": "Apache-2.0", "task": "activity"}


@dataclass
class World:
    """A repository with its keys in ``folder``, and readers of it."""

    folder: Path
    late: timedelta = field(default_factory=timedelta)
    """How far the repository's clock is off."""

    @property
    def place(self) -> Path:
        return self.folder / "repository"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def now(self) -> datetime:
        return datetime.now(UTC) + self.late

    def repository(
        self, keys: Path | None = None, place: Path | None = None
    ) -> ComponentRepository:
        ring = KeyRing(keys or self.keys, {})
        settings = RepositorySettings(EXPIRY_DAYS, lock_seconds=120)
        return ComponentRepository(place or self.place, ring, settings, self.now)

    def created(self) -> ComponentRepository:
        repository = self.repository()
        repository.create(SIGNERS)
        return repository

    def reader(self, source: str | Path | None = None, name: str = "site") -> Reader:
        root = (self.place / "metadata" / "1.root.json").read_bytes()
        return Reader(self.folder / name, source or self.place, root, LIMITS)

    def add(
        self,
        content: bytes | None = None,
        name: str = "activity",
        version: str | None = None,
        **description: Any,
    ) -> Component:
        """Add a model with one file, of random bytes where none are given."""
        file = self.folder / "model.onnx"
        file.write_bytes(os.urandom(5000) if content is None else content)
        described = {**DESCRIPTION, **description}
        return self.repository().add(Kind.MODEL, name, version, {file.name: file}, described)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # a fleet asks at one instant


@contextlib.contextmanager
def serving(handler: Any) -> Iterator[str]:
    """A web server on a free port, in a thread; its address."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def metadata(world: World) -> Path:
    return world.place / "metadata"


def take(reader: Reader, stage: Stage = Stage.TESTING) -> Component | None:
    """What a site does at each poll: the component it would activate."""
    reader.refresh()
    found = reader.current(Kind.MODEL, "activity", stage)
    if found is not None:
        reader.fetch(found)
    return found


def refused(reader: Reader, stage: Stage = Stage.TESTING) -> BaseException | None:
    """The library's reason for which a poll is refused."""
    with pytest.raises(ComponentError) as caught:
        take(reader, stage)
    assert "\n" not in str(caught.value)
    return caught.value.__cause__


def root_of(world: World) -> bytes:
    return world.repository().root()


def signed_of(world: World, keys: Path | None = None) -> SignedFolder:
    return SignedFolder(world.place, KeyRing(keys or world.keys, {}), EXPIRY_DAYS, world.now)


def overwrite(world: World, name: str, content: Metadata[Any]) -> None:
    (metadata(world) / name).write_bytes(content.to_bytes())
