"""One component that a site follows: taken from production when it is offered, tried, kept.

On a testing site what testing offers runs beside it in a shadow.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fl_client.components.canary import is_canary
from fl_client.components.record import Version
from fl_client.components.rollout import DeploymentTarget, Rollout
from fl_common.components.description import Component, Kind, Stage
from fl_common.components.reader import Offer, Reader

_SHOWN = 16

FileOf = Callable[[Component], str]
"""The sha256 of the file of a component that runs; UpdateRefused where it has none, or several."""


class Candidates(Protocol):
    """Runs a candidate beside production, and counts; a model's shadow or a function's."""

    candidate: Version | None

    def set_candidate(self, candidate: tuple[Version, Path] | None) -> None:
        """Run this version of this folder from now on, or none; and have the counts on disk."""

    def status(self) -> dict[str, Any]:
        """What was counted, for the people of this site."""

    def close(self) -> None:
        """Have the counts on disk."""


@dataclass
class Subscription:
    """The component ``name`` of ``kind`` on the site ``site``."""

    site: str
    kind: Kind
    name: str
    file_of: FileOf
    place: DeploymentTarget
    switch: Rollout
    shadow: Candidates | None
    _waits_for: str | None = field(init=False, default=None)

    def follow(self, reader: Reader) -> None:
        """Take what the refreshed ``reader`` offers.

        Raises:
            ComponentError, BadInput, OSError: what runs goes on.
        """
        self.switch.heal()
        offer = reader.offer(self.kind, self.name, Stage.PRODUCTION)
        if offer is not None and self._should_take(offer):
            self.switch.take(self._fetched(reader, offer))
        elif offer is not None and self._is_missing(offer):
            reader.fetch(offer.component)
            self.switch.heal()
        if self.shadow is not None:
            self.shadow.set_candidate(self._candidate(reader))

    def kept(self) -> set[str]:
        """Digests of the components that must stay on the disk."""
        record = self.switch.record
        versions = [*record.good, *([record.trial.version] if record.trial else [])]
        if self.shadow is not None and self.shadow.candidate is not None:
            versions.append(self.shadow.candidate)
        return {version.component for version in versions}

    def status(self) -> dict[str, Any]:
        """For people, as JSON values."""
        record = self.switch.record
        return {
            "good": [_shown(version) for version in record.good],
            "trial": _shown(record.trial.version) if record.trial else None,
            "failed": [{**_shown(f.version), "reason": f.reason} for f in record.failed],
            "waits_for_others": self._waits_for,
            "shadow": self._shadow_status(),
        }

    def _shadow_status(self) -> dict[str, Any] | None:
        if self.shadow is None:
            return None
        return {**self.shadow.status(), "running": self.shadow.candidate is not None}

    def versions(self) -> Iterator[tuple[Stage, Version]]:
        """What runs of each stage."""
        if (wanted := self.switch.record.wanted) is not None:
            yield Stage.PRODUCTION, wanted
        if self.shadow is not None and self.shadow.candidate is not None:
            yield Stage.TESTING, self.shadow.candidate

    def _should_take(self, offer: Offer) -> bool:
        record, digest = self.switch.record, offer.component.digest
        wanted = record.wanted
        self._waits_for = None
        if wanted is not None and wanted.component == digest:
            return False
        if record.has_failed(digest, offer.event):
            return False
        percent = offer.canary_percent
        is_first = percent is None or is_canary(self.site, digest, percent)
        if not is_first and self.place.has_one():
            self._waits_for = str(offer.component)
            return False
        return True

    def _is_missing(self, offer: Offer) -> bool:
        """Whether it should run, and can't: what was fetched is gone, or was altered."""
        wanted = self.switch.record.wanted
        is_wanted = wanted is not None and wanted.component == offer.component.digest
        return is_wanted and wanted is not None and not self.place.runs(wanted)

    def _candidate(self, reader: Reader) -> tuple[Version, Path] | None:
        """What testing offers, where production has something else."""
        offer = reader.offer(self.kind, self.name, Stage.TESTING)
        wanted = self.switch.record.wanted
        if offer is None or (wanted and wanted.component == offer.component.digest):
            return None
        return self._fetched(reader, offer), reader.fetch(offer.component)

    def _fetched(self, reader: Reader, offer: Offer) -> Version:
        """The offered component, on disk and verified."""
        component = offer.component
        file = self.file_of(component)
        reader.fetch(component)
        return Version(component.digest, offer.event, component.version, file)


def _shown(version: Version) -> dict[str, Any]:
    return {
        "version": version.name,
        "component": version.component[:_SHOWN],
        "file": version.file[:_SHOWN],
    }
