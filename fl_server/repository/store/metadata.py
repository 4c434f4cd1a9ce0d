"""The signed metadata of a repository's folder: verified when read, changed together.

Roles: ``root`` delegates to ``targets``, ``snapshot`` and ``timestamp``; ``targets`` to ``testing``
and ``production`` (whose paths begin with the stage) and names the keys of ``gates``. Each stage
delegates to hash bins with its own keys (TAP 15), so that a change signs, and a site reads, only a
part of the list.

A change is staged in memory and written together: first everything that the timestamp will refer to
(bins, targets, snapshot), whose names carry their version, then the timestamp. So nothing changes
for a reader until the last step, the replacement of ``timestamp.json``. After a crash the next
change writes the same versions again.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    TOP_LEVEL_ROLE_NAMES,
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer
from tuf.repository import Repository

from fl_common.components.description import Stage
from fl_common.errors import InvalidConfiguration, UpdateRefused
from fl_common.files.whole import write_all, write_whole
from fl_server.repository.store.keys import KeyRing

GATES = "gates"
BINS_BITS = 4
_ONLINE = (Snapshot.type, Timestamp.type)
_SERIALIZER = JSONSerializer(compact=True, validate=False)

UtcClock = Callable[[], datetime]
"""The current time, with its time zone."""


@dataclass(frozen=True)
class Signers:
    """The number of keys of a role, and how many of them must sign."""

    keys: int
    threshold: int


class SignedFolder(Repository):
    """``folder/metadata`` with the available keys.

    ``expiry_days`` gives for each role (those of ``roles``) how long a signature is valid. Every
    role is verified against its delegator when it is loaded.

    Raises:
        UpdateRefused: metadata on disk that are not signed as they must be, or are damaged.
        InvalidConfiguration: the folder has no repository, or keys for a change are missing.
    """

    def __init__(
        self, folder: Path, keys: KeyRing, expiry_days: Mapping[str, float], clock: UtcClock
    ) -> None:
        self._folder = folder / "metadata"
        self.keys, self._expiry_days, self._clock = keys, expiry_days, clock
        self._loaded: dict[str, Metadata[Any]] = {}
        self._changed: dict[str, bytes] = {}
        self._root_before: Root | None = None

    def open(self, role: str) -> Metadata[Any]:
        """The role's current metadata, including staged changes."""
        if role not in self._loaded:
            self._loaded[role] = self._load(role)
        return self._loaded[role]

    def close(self, role: str, md: Metadata[Any]) -> None:
        """Sign and stage a new version of ``role``."""
        if role in self._changed:
            raise AssertionError(f"{role} changed twice in one transaction")
        md.signed.version += 1
        self._stage(role, md)

    @property
    def targets_infos(self) -> dict[str, MetaFile]:
        """The staged versions, for the snapshot."""
        roles = [role for role in self._changed if role not in (Root.type, *_ONLINE)]
        return {f"{role}.json": MetaFile(self._loaded[role].signed.version) for role in roles}

    @property
    def snapshot_info(self) -> MetaFile:
        """The snapshot's version, and its digest if it is staged."""
        version = self.snapshot().version
        if (content := self._changed.get(Snapshot.type)) is None:
            return self.timestamp().snapshot_meta
        return MetaFile.from_data(version, content, ["sha256"])

    def reload(self) -> None:
        """Discard what was staged and what was read."""
        self._loaded, self._changed, self._root_before = {}, {}, None

    def commit(self, renew: bool = False) -> None:
        """Write what is staged, in an order that lets a reader see all of it or nothing.

        ``renew`` signs snapshot and timestamp again even if nothing is staged.
        """
        if renew or self.targets_infos:
            self.do_snapshot(force=renew)
            self.do_timestamp(force=renew)
        # Only a root is found by its bare existence; the other names mean nothing until the
        # timestamp says so, and may be torn before.
        paths = {
            role: self._path(role, self._loaded[role].signed.version) for role in self._changed
        }
        if Root.type in paths:
            write_whole(paths.pop(Root.type), self._changed[Root.type])
        timestamp = paths.pop(Timestamp.type, None)
        write_all({path: self._changed[role] for role, path in paths.items()})
        if timestamp:
            write_whole(timestamp, self._changed[Timestamp.type])
        self._changed = {}

    def create(self, signers: Mapping[str, Signers]) -> None:
        """Make keys for every role, and stage the first version of all metadata."""
        publics = {role: self.keys.create(role, some.keys) for role, some in signers.items()}
        root = Root(consistent_snapshot=True)
        for role in TOP_LEVEL_ROLE_NAMES:
            for key in publics[role]:
                root.add_key(key, role)
            root.roles[role].threshold = signers[role].threshold
        targets = Targets(delegations=Delegations({}, {}))
        for role in (*Stage, GATES):
            _delegate(targets, role, signers[role].threshold)
            for key in publics[role]:
                targets.add_key(key, role)
        self._stage(Root.type, Metadata(root))
        self._stage(Targets.type, Metadata(targets))
        for stage in Stage:
            self._add_stage(stage)
        self._stage(Snapshot.type, Metadata(Snapshot(meta=self.targets_infos)))
        self._stage(Timestamp.type, Metadata(Timestamp(snapshot_meta=self.snapshot_info)))

    def bin_of(self, stage: Stage, path: str) -> str:
        """The role that lists the target ``path`` of ``stage``."""
        return _bins(self.targets(stage)).get_role_for_target(path)

    def bins(self, stage: Stage) -> Iterator[str]:
        """The roles that list the targets of ``stage``."""
        return _bins(self.targets(stage)).get_roles()

    def roles(self) -> list[str]:
        """Every role with metadata, in the order of trust."""
        bins = [name for stage in Stage for name in self.bins(stage)]
        return [Root.type, Targets.type, *Stage, *bins, *_ONLINE]

    def delegator(self, role: str) -> Root | Targets:
        """The role that names the keys of ``role``."""
        if role in TOP_LEVEL_ROLE_NAMES:
            return self.root()
        return self.targets(role.partition("-")[0] if "-" in role else Targets.type)

    def _add_stage(self, stage: Stage) -> None:
        """Stage the first version of a stage's role and of its bins."""
        role = self.targets().get_delegated_role(stage)
        bins = SuccinctRoles(role.keyids, role.threshold, BINS_BITS, stage)
        keys = {keyid: self.targets().get_key(keyid) for keyid in role.keyids}
        self._stage(stage, Metadata(Targets(delegations=Delegations(keys, None, bins))))
        for name in bins.get_roles():
            self._stage(name, Metadata(Targets()))

    def _stage(self, role: str, md: Metadata[Any]) -> None:
        days = self._expiry_days[role.partition("-")[0]]
        md.signed.expires = (self._clock() + timedelta(days=days)).replace(microsecond=0)
        self._loaded[role] = md
        self._sign(role, md)
        self._changed[role] = md.to_bytes(_SERIALIZER)

    def _sign(self, role: str, md: Metadata[Any]) -> None:
        md.signatures.clear()
        for signer in self.signers(role):
            md.sign(signer, append=True)
        self.delegator(role).verify_delegate(role, md.signed_bytes, md.signatures)
        if role == Root.type and self._root_before:  # sites know its keys only
            self._root_before.verify_delegate(role, md.signed_bytes, md.signatures)

    def signers(self, role: str) -> list[Any]:
        """Signers for ``role`` with the available keys, at least its threshold.

        Raises:
            InvalidConfiguration: there are fewer.
        """
        declared = self.delegator(role).get_delegated_role(role)
        name, keyids = role.partition("-")[0], set(declared.keyids)
        if role == Root.type and self._root_before:
            keyids.update(self._root_before.roles[role].keyids)
        found = self.keys.signers(name, keyids)
        if len(found) < declared.threshold:
            raise InvalidConfiguration(
                f"{len(found)} key{'s' * (len(found) != 1)} of {name} at hand",
                f"{declared.threshold} of its {len(declared.keyids)} must sign this",
                f"Put them in {self.keys.where(name)}",
            )
        return found

    def _load(self, role: str) -> Metadata[Any]:
        newest_root = self._newest_root()  # there is a repository
        path = self._path(role, newest_root if role == Root.type else self._version(role))
        try:
            md: Metadata[Any] = Metadata.from_bytes(path.read_bytes())
            self._loaded[role] = md  # the root is its own delegator
            self.delegator(role).verify_delegate(role, md.signed_bytes, md.signatures)
            if role == Root.type:
                self._root_before = deepcopy(md.signed)
        except (OSError, RepositoryError, ValueError) as error:
            self._loaded.pop(role, None)
            raise UpdateRefused(f"{path}: {error}. Put it back from a copy.") from error
        return md

    def _version(self, role: str) -> int:
        if role == Timestamp.type:
            return 0
        if role == Snapshot.type:
            return self.timestamp().snapshot_meta.version
        return self.snapshot().meta[f"{role}.json"].version

    def _newest_root(self) -> int:
        newest = next(n for n in count(1) if not self._path(Root.type, n).is_file()) - 1
        if newest == 0:
            raise InvalidConfiguration(
                f"{self._folder.parent}",
                "is not a component repository",
                "Give its folder, or make one with: fl-repo init FOLDER",
            )
        return newest

    def _path(self, role: str, version: int) -> Path:
        name = f"{role}.json" if role == Timestamp.type else f"{version}.{role}.json"
        return self._folder / name


def _delegate(targets: Targets, role: str, threshold: int) -> None:
    paths = ["verdicts/*/*"] if role == GATES else [f"{role}/*/*"]
    roles = cast(Delegations, targets.delegations).roles
    assert roles is not None
    roles[role] = DelegatedRole(role, [], threshold, terminating=True, paths=paths)


def _bins(stage: Targets) -> SuccinctRoles:
    assert stage.delegations is not None
    assert stage.delegations.succinct_roles is not None
    return stage.delegations.succinct_roles
