"""A component repository for tests: small, with keys of its own, on a clock that can be set."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fl_common.components.description import Component, Kind
from fl_common.components.keys import KeyRing
from fl_common.components.metadata import Signers
from fl_common.components.reader import Limits, Reader
from fl_common.components.repository import ComponentRepository, Settings

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
        settings = Settings(EXPIRY_DAYS, lock_seconds=120)
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
