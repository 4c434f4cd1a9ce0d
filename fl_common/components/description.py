"""A component and its manifest, whose sha256 is the component's identity.

The manifest lists each content file with its length and sha256, so trust in the manifest's digest
is enough. ``component.schema.json`` beside this file is its JSON schema.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from fl_common.errors import InvalidData

FORMAT = 1
MANIFEST = "manifest.json"
"""The manifest's file name in a component's folder."""


class Kind(StrEnum):
    """The kinds of component."""

    MODEL = "model"
    FUNCTION = "function"
    STACK = "stack"


class Stage(StrEnum):
    """The stage of a component; also the name of the role that signs for it."""

    TESTING = "testing"
    PRODUCTION = "production"


@dataclass(frozen=True)
class ContentFile:
    """A file of a component: its relative path, length and hex sha256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Component:
    """A component as described by its manifest, whose sha256 is its identity.

    ``description`` has JSON values: task, inputs, outputs, metrics, privacy spent, run, rounds,
    sites, code version, licence, parent, and more (see the schema).
    """

    kind: Kind
    name: str
    version: str
    files: tuple[ContentFile, ...]
    description: Mapping[str, Any]

    @cached_property
    def manifest(self) -> bytes:
        """Canonical JSON (sorted keys, no spaces, UTF-8)."""
        fields = {"format": FORMAT, **asdict(self), "kind": str(self.kind)}
        text = json.dumps(
            fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()

    @cached_property
    def digest(self) -> str:
        """Hex sha256 of the manifest: the identity."""
        return hashlib.sha256(self.manifest).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all content files."""
        return sum(file.bytes for file in self.files)

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.version} ({self.digest[:12]})"

    @staticmethod
    def from_manifest(content: bytes) -> "Component":
        """The component whose manifest is ``content``.

        Raises:
            InvalidData: not a manifest, a path that leaves the component's folder, or not in the
                canonical form (which would give one component two identities).
        """
        try:
            fields = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise _invalid(f"is not JSON ({type(error).__name__})") from error
        check_manifest(fields)
        component = Component(
            Kind(fields["kind"]),
            fields["name"],
            fields["version"],
            tuple(ContentFile(**file) for file in fields["files"]),
            fields["description"],
        )
        if component.manifest != content:
            raise _invalid("is not in the canonical form")
        return component


@dataclass(frozen=True)
class StageEntry:
    """A stage's entry for a name: the component, its newest event, whether it is retired.

    ``canary_percent`` of the sites should take it first; None: all.
    """

    stage: Stage
    component: Component
    event: str
    retired: bool
    canary_percent: int | None

    def is_offered(self, component: Component, canary_percent: int | None) -> bool:
        """Whether this component is already offered to this percentage of the sites."""
        same = self.component == component and self.canary_percent == canary_percent
        return same and not self.retired


def target_path(kind: Kind, name: str, stage: Stage) -> str:
    """The name under which a stage's role lists a component."""
    return f"{stage}/{kind}/{name}.json"


def check_manifest(fields: object) -> None:
    """Check a manifest's fields against the schema, and that its paths don't collide.

    Raises:
        InvalidData: a rule of the schema is broken, or two files claim one path.
    """
    error = next(iter(_validator().iter_errors(fields)), None)
    if error is not None:
        words = f"{error.json_path[:80]}: {error.message[:160]}"
        raise _invalid(" ".join(words.split()))
    assert isinstance(fields, dict)
    check_paths([file["path"] for file in fields["files"]])


def check_paths(paths: list[str]) -> None:
    """Check that no path occurs twice or is the folder of another.

    Raises:
        InvalidData: one does.
    """
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    taken = {path.lower() for path in paths} | {MANIFEST}
    if len(taken) <= len(paths) or folders & set(paths):
        raise _invalid(f"has two files with one path, a file that is a folder, or a {MANIFEST}")


@cache
def _validator() -> Any:
    """The schema's validator; imported here because a writer of components needs none."""
    import jsonschema

    schema = json.loads(Path(__file__).with_name("component.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _invalid(rule: str) -> InvalidData:
    return InvalidData(
        "component manifest", rule, "Compare it with fl_common/components/component.schema.json"
    )
