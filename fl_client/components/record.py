"""A site's record of a component's versions, in one file that is replaced as a whole."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fl_client.components.health import HealthCounts
from fl_common.files.whole import write_whole

_log = logging.getLogger(__name__)
_GOOD_KEPT = 2
_FAILED_KEPT = 20


@dataclass(frozen=True)
class Version:
    """A component that a site has.

    ``component`` is its digest, and ``event`` the digest of the signed event that offered it.
    ``file`` is the sha256 of its model file, which identifies it to the slot and the engine.
    """

    component: str
    event: str
    name: str
    file: str


@dataclass(frozen=True)
class Trial:
    """A version in its health window.

    ``before`` are the counts of the previous version. ``ends`` is how often the process has ended
    since; each restart begins the health window again.
    """

    version: Version
    before: HealthCounts
    ends: int = 0


@dataclass(frozen=True)
class Failed:
    """A version that was rolled back, and why.

    ``is_unfit``: it has not run, for the box is not set up for it, and may be after a restart.
    """

    version: Version
    reason: str
    is_unfit: bool = False


@dataclass(frozen=True)
class VersionRecord:
    """The last two ``good`` versions, newest first, what is on ``trial``, and what has failed."""

    good: tuple[Version, ...] = ()
    trial: Trial | None = None
    failed: tuple[Failed, ...] = ()

    @property
    def wanted(self) -> Version | None:
        """The version that should run."""
        return self.trial.version if self.trial else next(iter(self.good), None)

    @property
    def standby(self) -> Version | None:
        """The last good version beside the wanted one."""
        return next(iter(self.good if self.trial else self.good[1:]), None)

    def is_good(self, version: Version) -> bool:
        """Whether the component, or the same model file, passed its health window here."""
        return any(
            version.component == good.component or version.file == good.file for good in self.good
        )

    def failure(self, component: str, event: str) -> str | None:
        """Why this offer of the component was rolled back here; a new event is a new offer."""
        for failed in self.failed:
            if (failed.version.component, failed.version.event) == (component, event):
                return failed.reason
        return None

    def with_good(self, version: Version) -> "VersionRecord":
        """Without a trial, and with ``version`` as the newest good one."""
        others = [old for old in self.good if old.component != version.component]
        return replace(self, good=(version, *others)[:_GOOD_KEPT], trial=None)

    def with_failed(
        self, version: Version, reason: str, *, is_unfit: bool = False
    ) -> "VersionRecord":
        """Without a trial, and with ``version`` among the failed, and no more among the good."""
        failed = (*self.failed, Failed(version, reason, is_unfit))[-_FAILED_KEPT:]
        good = tuple(one for one in self.good if one.component != version.component)
        return replace(self, good=good, trial=None, failed=failed)

    def without_unfit(self) -> "VersionRecord":
        """As after a restart, when the box may be set up otherwise."""
        return replace(self, failed=tuple(one for one in self.failed if not one.is_unfit))


def write_record(path: Path, record: VersionRecord) -> None:
    """Write the record, durably."""
    write_whole(path, json.dumps(asdict(record)).encode())


def read_record(path: Path) -> VersionRecord:
    """The record at ``path``; an empty one where it is missing or can't be read."""
    record: VersionRecord = read_or(path, _record, VersionRecord())
    return record


def read_or(path: Path, parse: Callable[[Any], Any], otherwise: Any) -> Any:
    """What ``parse`` makes of the JSON at ``path``; a damaged file is logged and not used."""
    try:
        return parse(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return otherwise
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        _log.error("%s can't be read and is replaced by an empty one: %s", path, error)
        return otherwise


def _record(fields: Any) -> VersionRecord:
    trial = fields["trial"]
    return VersionRecord(
        good=tuple(Version(**version) for version in fields["good"]),
        trial=trial
        and Trial(Version(**trial["version"]), HealthCounts(**trial["before"]), trial["ends"]),
        failed=tuple(Failed(**{**f, "version": Version(**f["version"])}) for f in fields["failed"]),
    )
