"""The writing half of the repository: a folder of signed static files that any web server serves.

    metadata/    The Update Framework's roles (``metadata.py``)
    targets/     <stage>/<kind>/<sha256>.<name>.json  manifests;  content/<sha256>.data  content
    history/     <sha256>.json  signed events, each naming the one before
    verdicts/    <component's sha256>/<gate>.<number>.json  signed verdicts
    versions/    <kind>/<name>/<version>  an index: the digest of a version
    parameters/  <component's sha256>.npz  a model's own parameters, which no site fetches

Everything except ``metadata/timestamp.json`` is written under a unique name, so a reader never sees
half of a change and nothing is overwritten. One writer at a time (``change``).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from itertools import count
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import TargetFile

from fl_common.components.description import (
    Component,
    Kind,
    Stage,
    StageEntry,
    check_manifest,
    target_path,
)
from fl_common.errors import InvalidConfiguration, InvalidData, UpdateRefused
from fl_common.files.whole import locked, make_folder, write_whole
from fl_server.repository.store.contents import described, keep_content
from fl_server.repository.store.keys import KeyRing
from fl_server.repository.store.metadata import GATES, SignedFolder, Signers, UtcClock
from fl_server.repository.store.statements import (
    STATEMENT_TYPE,
    Event,
    Verdict,
    read_event,
    read_verdict,
    sign,
    sign_event,
)

FORMER_KEYS = "x-former-keys"
"""Field of the targets role: replaced public keys, by role and identity."""


@dataclass(frozen=True)
class RepositorySettings:
    """``expiry_days`` of each role's signatures, and how long one writer waits for another."""

    expiry_days: Mapping[str, float]
    lock_seconds: float


class ComponentRepository:
    """The repository in ``folder``, changed with the keys of a key ring.

    Raises (all methods):
        UpdateRefused: what is on disk is not signed as it must be, or is damaged.
        InvalidConfiguration: no repository there, a missing key, an unknown name, or another writer
            that holds the lock too long.
    """

    def __init__(
        self, folder: Path, keys: KeyRing, settings: RepositorySettings, clock: UtcClock
    ) -> None:
        self.folder, self._settings, self._clock = folder, settings, clock
        self.signed = SignedFolder(folder, keys, settings.expiry_days, clock)

    def create(self, signers: Mapping[str, Signers]) -> None:
        """Make the repository and keys for each role; the folder must be empty if it exists."""
        if self.folder.exists() and any(self.folder.iterdir()):
            raise InvalidConfiguration(
                f"{self.folder}", "is not empty", "Give a new folder, or use this repository"
            )
        self.signed.create(signers)
        make_folder(self.folder)
        self.signed.commit()

    def expiry_days(self, role: str) -> float:
        """How long a signature of ``role`` is valid."""
        return self._settings.expiry_days[role.partition("-")[0]]

    def root(self) -> bytes:
        """The first root, which a site must have before its first contact."""
        return (self.folder / "metadata" / "1.root.json").read_bytes()

    @contextmanager
    def change(self, renew: bool = False) -> Iterator[None]:
        """Hold the lock, and commit all changes of the block at its end, or none.

        ``renew`` signs snapshot and timestamp anew in any case.
        """
        self.signed.root()  # there is a repository
        with locked(self.folder / ".lock", self._settings.lock_seconds):
            self.signed.reload()
            try:
                yield
                self.signed.commit(renew)
            finally:
                self.signed.reload()

    def add(
        self,
        kind: Kind,
        name: str,
        version: str | None,
        files: Mapping[str, Path],
        description: Mapping[str, Any],
    ) -> Component:
        """Make ``files`` (content by path in the component) the current one of ``testing``.

        ``version`` None takes the next number. A current component with the same content and
        description is left unchanged; a version that exists with another digest is refused.
        """
        with self.change():
            found = tuple(described(path, files[path]) for path in sorted(files))
            entry = self.entry(kind, name, Stage.TESTING)
            same = entry.component.version if entry else ""
            component = Component(kind, name, version or same, found, description)
            if entry and entry.component == component and not entry.retired:
                return component
            chosen = version or self.next_version(kind, name)
            component = Component(kind, name, chosen, found, description)
            check_manifest(json.loads(component.manifest))
            self._claim(component)
            for file in found:
                keep_content(self.folder, file, files[file.path])
            self.point(Stage.TESTING, component, "added")
        return component

    def point(
        self,
        stage: Stage,
        component: Component,
        what: str,
        reason: str | None = None,
        verdicts: Mapping[str, bool] | None = None,
        canary_percent: int | None = None,
    ) -> None:
        """Make ``component`` the current one of ``stage``, or retired; inside ``change``.

        ``what`` is the event's kind; ``retired`` withdraws the component. ``canary_percent`` is the
        share of sites that should take it first; None: all.
        """
        path = target_path(component.kind, component.name, stage)
        before = self.entry(component.kind, component.name, stage)
        event = Event(
            what,
            stage,
            component.kind,
            component.name,
            component.version,
            component.digest,
            self.now(),
            before.event if before else None,
            reason,
            verdicts or {},
            canary_percent,
        )
        content = sign_event(event, self.signed.signers(stage))
        digest = hashlib.sha256(content).hexdigest()
        write_whole(self.folder / "history" / f"{digest}.json", content)
        manifest = self._manifest_path(stage, component.kind, component.name, component.digest)
        if not manifest.is_file():
            write_whole(manifest, component.manifest)
        custom = {"event": digest, "version": component.version, "retired": what == "retired"}
        if canary_percent is not None:
            custom["canary_percent"] = canary_percent
        with self.signed.edit_targets(self.signed.bin_of(stage, path)) as targets:
            targets.targets[path] = TargetFile(
                len(component.manifest), {"sha256": component.digest}, path, {"custom": custom}
            )

    def entry(self, kind: Kind, name: str, stage: Stage) -> StageEntry | None:
        """The entry of ``stage`` under this name."""
        path = target_path(kind, name, stage)
        target = self.signed.targets(self.signed.bin_of(stage, path)).targets.get(path)
        return self._entry(stage, target) if target else None

    def entries(self, stage: Stage) -> list[StageEntry]:
        """All entries of ``stage``, ordered by kind and name."""
        targets = [
            target
            for name in self.signed.bins(stage)
            for target in self.signed.targets(name).targets.values()
        ]
        return [self._entry(stage, target) for target in sorted(targets, key=lambda t: t.path)]

    def component(self, digest: str, kind: Kind, name: str) -> Component:
        """The component with this digest, if it was ever added under the name."""
        for stage in Stage:
            path = self._manifest_path(stage, kind, name, digest)
            if path.is_file():
                return self._read_manifest(path, digest)
        raise InvalidConfiguration(
            f"{kind} {name} {digest[:12]}", "is not in the repository", "See: fl-repo log NAME"
        )

    def history(self, kind: Kind, name: str, stage: Stage) -> list[Event]:
        """The events of a component in ``stage``, oldest first, each verified."""
        entry = self.entry(kind, name, stage)
        keys = [*self.keys_of(stage)[0], *self._former_keys(stage)]
        events: list[Event] = []
        digest = entry.event if entry else None
        while digest is not None:
            content = _proved(self.folder / "history" / f"{digest}.json", digest)
            events.append(read_event(content, keys, 1))
            digest = events[-1].previous
        return events[::-1]

    def judge(self, verdict: Verdict, name: str) -> None:
        """Sign a verdict with the gates' key and store it beside the component."""
        with self.change():
            signers = self.signed.signers(GATES)
            folder = self.folder / "verdicts" / verdict.digest
            number = len(list(folder.glob(f"{verdict.gate}.*.json"))) + 1
            content = sign(verdict.to_statement(name), STATEMENT_TYPE, signers)
            write_whole(folder / f"{verdict.gate}.{number}.json", content)

    def verdicts(self, digest: str) -> list[Verdict]:
        """The verdicts about the component with this digest, oldest first.

        A verdict that is damaged, about another component, or not signed with the gates' current
        keys is left out.
        """
        keys, threshold = self.keys_of(GATES)
        found = []
        for path in (self.folder / "verdicts" / digest).glob("*.json"):
            with suppress(UpdateRefused):
                found.append(read_verdict(path.read_bytes(), keys, threshold))
        return sorted((one for one in found if one.digest == digest), key=lambda one: one.at)

    def now(self) -> str:
        """The present time in RFC 3339, UTC."""
        return self._clock().astimezone(UTC).isoformat(timespec="microseconds")

    def next_version(self, kind: Kind, name: str) -> str:
        """The number for a component that is added without a version."""
        folder = self.folder / "versions" / kind / name
        taken = {path.name for path in folder.glob("*")}
        return next(str(n) for n in count(len(taken) + 1) if str(n) not in taken)

    def _claim(self, component: Component) -> None:
        """Reserve the version for this component."""
        kind, name = component.kind, component.name
        path = self.folder / "versions" / kind / name / component.version
        if path.is_file() and (taken := path.read_text()) != component.digest:
            # A crash may have left a claim of a component that was never committed.
            events = self.history(kind, name, Stage.TESTING)
            if any(event.digest == taken for event in events):
                raise InvalidData(
                    f"{kind} {name} {component.version}",
                    f"is there already with other content ({taken[:12]})",
                    "Choose another version",
                )
        write_whole(path, component.digest.encode())

    def _entry(self, stage: Stage, target: TargetFile) -> StageEntry:
        _, kind, name = target.path.removesuffix(".json").split("/")
        digest = target.hashes["sha256"]
        path = self._manifest_path(stage, Kind(kind), name, digest)
        custom = target.custom
        component = self._read_manifest(path, digest)
        event, percent = custom["event"], custom.get("canary_percent")
        return StageEntry(stage, component, event, custom["retired"], percent)

    def _manifest_path(self, stage: Stage, kind: Kind, name: str, digest: str) -> Path:
        return self.folder / "targets" / stage / kind / f"{digest}.{name}.json"

    def _read_manifest(self, path: Path, digest: str) -> Component:
        return Component.from_manifest(_proved(path, digest))

    def keys_of(self, role: str) -> tuple[list[Key], int]:
        """The public keys of a stage or of the gates, and their threshold."""
        targets = self.signed.targets()
        declared = targets.get_delegated_role(role)
        return [targets.get_key(keyid) for keyid in declared.keyids], declared.threshold

    def _former_keys(self, role: str) -> list[Key]:
        """Former keys of the role, which remain valid for earlier events in the chain."""
        former = self.signed.targets().unrecognized_fields.get(FORMER_KEYS, {})
        return [Key.from_dict(keyid, dict(key)) for keyid, key in former.get(role, {}).items()]


def _proved(path: Path, digest: str) -> bytes:
    """The content of a file that has this digest, read once."""
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise UpdateRefused(f"{path}: is missing or was altered.")
    return content
