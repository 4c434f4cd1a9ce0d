"""One component that a site follows: installed when production offers it, tried, and kept.

On a testing site, the candidate that testing offers runs beside it in a shadow.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fl_client.components.canary import is_canary
from fl_client.components.comparison import Pair, write_pair
from fl_client.components.record import Version
from fl_client.components.rollout import DeploymentTarget, Rollout
from fl_common.components.description import Component, Kind, Stage
from fl_common.components.reader import Offer, Reader

_SHOWN = 16

FileOf = Callable[[Component], str]
"""The sha256 of a component's one file that runs; UpdateRefused if it has none, or several."""


class Candidates(Protocol):
    """Runs a candidate beside production and counts; the shadow of a model or of a function."""

    candidate: Version | None

    def set_candidate(self, candidate: tuple[Version, Path] | None) -> None:
        """Run this version, in this folder, from now on (None: no version); save the counts."""

    def status(self) -> dict[str, Any]:
        """The counts, for the site's own operators."""

    def close(self) -> None:
        """Save the counts."""


@dataclass
class Subscription:
    """The component ``name`` of ``kind`` on the site ``site``.

    ``pair`` is the file that names the two models that may be compared on held-out windows; None:
    none ever is. ``why_waits`` says of a fetched component's folder what it must wait for here.
    """

    site: str
    kind: Kind
    name: str
    file_of: FileOf
    target: DeploymentTarget
    rollout: Rollout
    shadow: Candidates | None
    pair: Path | None = None
    why_waits: Callable[[Path], str | None] = lambda _: None
    is_network: bool = False
    """Whether it is a network that functions ask, beside the box's own model."""
    refused: str | None = field(init=False, default=None)
    """Why what production offers does not run here; None: nothing speaks against it."""
    _offered: Pair | None = field(init=False, default=None)
    _waits_for: str | None = field(init=False, default=None)

    def follow(self, reader: Reader) -> None:
        """Install what the refreshed ``reader`` offers.

        Raises:
            ComponentError, BadInput, OSError: it can't be installed; the running version stays.
        """
        if self.pair is not None:
            self._offered = self._pair(reader)
            write_pair(self.pair, self._offered)
        self.rollout.heal()
        offer = reader.offer(self.kind, self.name, Stage.PRODUCTION)
        if offer is not None and self._should_take(offer):
            version = self._fetched(reader, offer)
            if (why := self.why_waits(reader.fetch(offer.component))) is None:
                self.rollout.take(version)
            else:
                self.refused = f"{offer.component} waits: {why.rstrip('.')}"
        elif offer is not None and self._is_missing(offer):
            reader.fetch(offer.component)
            self.rollout.heal()
        self.refused = self.refused or self.rollout.stopped
        if self.shadow is not None:
            self.shadow.set_candidate(self._candidate(reader))

    def kept(self) -> set[str]:
        """Digests of the components that must stay on disk."""
        record = self.rollout.record
        versions = [*record.good, *([record.trial.version] if record.trial else [])]
        if self.shadow is not None and self.shadow.candidate is not None:
            versions.append(self.shadow.candidate)
        offered = self._offered
        compared = {offered.candidate, offered.production} if offered else set()
        return compared | {version.component for version in versions}

    def status(self) -> dict[str, Any]:
        """Good, trial, failed and shadowed versions, as JSON values."""
        record = self.rollout.record
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
        """The versions that run, each with its stage."""
        if (wanted := self.rollout.record.wanted) is not None:
            yield Stage.PRODUCTION, wanted
        if self.shadow is not None and self.shadow.candidate is not None:
            yield Stage.TESTING, self.shadow.candidate

    def _should_take(self, offer: Offer) -> bool:
        record, digest = self.rollout.record, offer.component.digest
        wanted = record.wanted
        self._waits_for = self.refused = None
        if wanted is not None and wanted.component == digest:
            return False
        if (reason := record.failure(digest, offer.event)) is not None:
            self.refused = f"{offer.component} was rolled back here: {reason}"
            return False
        percent = offer.canary_percent
        is_first = percent is None or is_canary(self.site, digest, percent)
        if not is_first and self.target.has_one():
            self._waits_for = str(offer.component)
            return False
        return True

    def _is_missing(self, offer: Offer) -> bool:
        """Whether it should run but can't, because its content on disk is gone or was altered."""
        wanted = self.rollout.record.wanted
        is_wanted = wanted is not None and wanted.component == offer.component.digest
        return is_wanted and wanted is not None and not self.target.runs(wanted)

    def _pair(self, reader: Reader) -> Pair | None:
        """What testing and production offer, both on disk; no matter which of them has run here."""
        offers = [reader.offer(self.kind, self.name, s) for s in (Stage.TESTING, Stage.PRODUCTION)]
        components = [offer.component for offer in offers if offer is not None]
        if len({component.digest for component in components}) < len(offers):
            return None
        for component in components:
            reader.fetch(component)
        return Pair(*(component.digest for component in components))

    def _candidate(self, reader: Reader) -> tuple[Version, Path] | None:
        """What testing offers; None where production runs the same component."""
        offer = reader.offer(self.kind, self.name, Stage.TESTING)
        wanted = self.rollout.record.wanted
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
