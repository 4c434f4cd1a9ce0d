"""Maintenance of a repository: renewing signatures, replacing keys, collecting garbage."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.metadata import TOP_LEVEL_ROLE_NAMES, Root, SuccinctRoles, Targets

from fl_common.components.description import Stage
from fl_common.errors import InvalidConfiguration
from fl_server.repository.store.contents import content_path, parameters_path
from fl_server.repository.store.metadata import GATES
from fl_server.repository.store.repository import FORMER_KEYS, ComponentRepository
from fl_server.repository.store.statements import Event

ONLINE = ("snapshot", "timestamp")
_IN_USE = timedelta(days=1)
"""A reader may still use files that are not older than this."""


@dataclass(frozen=True)
class RoleState:
    """A role's keys and how long its newest signature is valid."""

    role: str
    keyids: tuple[str, ...]
    threshold: int
    at_hand: int
    """The number of its private keys that are available here."""
    version: int | None
    expires: datetime | None


def states(repository: ComponentRepository) -> list[RoleState]:
    """Each role, in the order of trust; a stage expires when the first of its bins does."""
    signed, found = repository.signed, []
    for role in (*("root", "targets"), *Stage, GATES, *ONLINE):
        declared = signed.delegator(role).get_delegated_role(role)
        at_hand = len(signed.keys.signers(role, declared.keyids))
        names = [role, *signed.bins(Stage(role))] if role in list(Stage) else [role]
        metadata = [signed.open(name).signed for name in names if name != GATES]
        version = metadata[0].version if metadata else None
        expires = min((one.expires for one in metadata), default=None)
        keyids = tuple(declared.keyids)
        found.append(RoleState(role, keyids, declared.threshold, at_hand, version, expires))
    return found


def check_metadata(repository: ComponentRepository) -> None:
    """Read all metadata: whatever a reader may ask for is there and signed.

    Raises:
        UpdateRefused: which file is not.
    """
    repository.signed.reload()
    for role in repository.signed.roles():
        repository.signed.open(role)


def refresh(repository: ComponentRepository, now: datetime) -> tuple[list[str], list[str]]:
    """Renew snapshot and timestamp, and every role in the second half of its lifetime.

    Returns the renewed roles, and those that are due but whose keys are missing.
    """
    renewed, left = list(ONLINE), []
    with repository.change(renew=True):
        signed = repository.signed
        for role in signed.roles():
            half = timedelta(days=repository.expiry_days(role)) / 2
            if role in ONLINE or signed.open(role).signed.expires - now > half:
                continue
            try:
                with signed.edit(role):
                    pass
                renewed.append(role)
            except InvalidConfiguration:
                left.append(role)
    return renewed, left


def replace_keys(repository: ComponentRepository, role: str) -> list[str]:
    """Give ``role`` new keys, as many as it had; the old ones are revoked.

    All current metadata that the old keys signed are signed again: review them first if an old key
    was stolen. Verdicts of gates become void. Returns the new keys' identities.
    """
    with repository.change(renew=True):
        signed = repository.signed
        for name in signed.roles():  # while the old keys are still valid
            signed.open(name)
        old = list(signed.delegator(role).get_delegated_role(role).keyids)
        new = signed.keys.create(role, len(old))
        parent = "root" if role in TOP_LEVEL_ROLE_NAMES else "targets"
        with signed.edit(parent) as delegator:
            assert isinstance(delegator, (Root, Targets))
            if isinstance(delegator, Targets):
                former = delegator.unrecognized_fields.setdefault(FORMER_KEYS, {})
                kept = former.setdefault(role, {})
                kept.update({keyid: delegator.get_key(keyid).to_dict() for keyid in old})
            for keyid in old:
                delegator.revoke_key(keyid, role)
            for key in new:
                delegator.add_key(key, role)
        if role in list(Stage):
            _sign_anew(repository, Stage(role), [key.keyid for key in new])
        elif role == "targets":
            with signed.edit(role):
                pass
    return [key.keyid for key in new]


def _sign_anew(repository: ComponentRepository, stage: Stage, keyids: list[str]) -> None:
    """Sign a stage's role and bins again, with the stage's current keys."""
    signed = repository.signed
    with signed.edit_targets(stage) as targets:
        assert targets.delegations is not None
        bins = targets.delegations.succinct_roles
        assert isinstance(bins, SuccinctRoles)
        bins.keyids = keyids
        targets.delegations.keys = {keyid: signed.targets().get_key(keyid) for keyid in keyids}
    for name in bins.get_roles():
        with signed.edit(name):
            pass


def collect_garbage(repository: ComponentRepository, keep: int, now: datetime) -> tuple[int, int]:
    """Delete content that no stage needs, and metadata that no reader requests any more.

    Each name keeps the content of its ``keep`` newest components in each stage, including the
    current one and the one that a rollback would restore. Manifests, history and verdicts stay.
    Returns the number of files and of bytes.
    """
    with repository.change():
        needed = set(_needed(repository, keep))
        kept = [
            *(repository.folder / "targets" / "content").glob("*"),
            *(repository.folder / "parameters").glob("*"),
        ]
        unused = [path for path in kept if path not in needed]
        old = [path for path in _metadata(repository) if _older(path, now - _IN_USE)]
        files = [path for path in (*unused, *old) if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        for path in files:
            path.unlink()
    return len(files), size


def _needed(repository: ComponentRepository, keep: int) -> Iterator[Path]:
    for stage in Stage:
        for entry in repository.entries(stage):
            component = entry.component
            events = repository.history(component.kind, component.name, stage)
            for digest in [] if entry.retired else standing(events)[-keep:]:
                kept = repository.component(digest, component.kind, component.name)
                yield from (content_path(repository.folder, file) for file in kept.files)
                yield parameters_path(repository.folder, digest)


def standing(events: list[Event]) -> list[str]:
    """The digests that a stage has had, oldest first, without those that were rolled back."""
    line: list[str] = []
    for event in events:
        if event.what == "rolled back" and event.digest in line:
            del line[line.index(event.digest) + 1 :]
        elif event.digest not in line[-1:]:
            line.append(event.digest)
    return line


def _metadata(repository: ComponentRepository) -> Iterator[Path]:
    """Superseded metadata; every root stays, for sites that have been offline for long."""
    signed = repository.signed
    newest = {f"{signed.open(role).signed.version}.{role}.json" for role in signed.roles()}
    for path in (repository.folder / "metadata").glob("*.*.json"):
        if path.name not in newest and not path.name.endswith(".root.json"):
            yield path


def _older(path: Path, than: datetime) -> bool:
    return path.stat().st_mtime < than.timestamp()
