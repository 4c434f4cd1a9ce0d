"""A site's follower of the repository: what production offers is taken, verified and tried.

Nothing here stops inference: whatever goes wrong is told (log, ``status``), and what runs goes on.
"""

import logging
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fl_client.answers import Prediction
from fl_client.components.canary import is_canary
from fl_client.components.health import Health
from fl_client.components.record import Version
from fl_client.components.shadow import Shadow
from fl_client.components.switch import Switch
from fl_client.slots import Slot
from fl_common.components.description import Component, Kind, Stage
from fl_common.components.reader import Offer, Reader
from fl_common.errors import BadInput, ComponentError, UpdateRefused

_log = logging.getLogger(__name__)
_SUFFIX = ".onnx"
_SHOWN = 16


class Follower:
    """Follows the model ``name`` of ``reader``'s repository into ``slot``, as the site ``site``.

    ``folder`` keeps what is remembered. With a ``shadow`` the site is in the testing stage: what
    testing offers runs beside production and acts on nothing. ``resume`` comes first, before an
    engine reads the slot.
    """

    def __init__(
        self,
        site: str,
        name: str,
        reader: Reader,
        slot: Slot,
        folder: Path,
        health: Health,
        shadow: Shadow | None,
    ) -> None:
        self._site, self._name, self._reader, self._slot = site, name, reader, slot
        self._shadow = shadow
        self._switch = Switch(slot, folder, health, self._file_of)
        self._trouble: str | None = None
        self._waits_for: str | None = None
        self._polling = threading.Lock()

    def resume(self) -> None:
        """Go on after a restart with what is on disk; needs no repository."""
        self._try(self._switch.resume)

    def poll(self) -> bool:
        """Ask the repository once, and take over what it offers; False where that failed.

        Never raises for what a repository, a network or a disk does.
        """
        with self._polling:
            return self._try(self._take_over)

    def observe(self, prediction: Prediction) -> None:
        """Hear what the engine answered to live windows: this is what the health window sees."""
        self._switch.observe(prediction)

    @property
    def trouble(self) -> str | None:
        """Why the last poll failed; None where it did not."""
        return self._trouble

    def status(self) -> dict[str, Any]:
        """For people, as JSON values."""
        record = self._switch.record
        return {
            "good": [_shown(version) for version in record.good],
            "trial": _shown(record.trial.version) if record.trial else None,
            "failed": [{**_shown(f.version), "reason": f.reason} for f in record.failed],
            "waits_for_others": self._waits_for,
            "trouble": self._trouble,
            "shadow": self._shadow.status() if self._shadow else None,
        }

    def _take_over(self) -> None:
        self._switch.heal()
        self._reader.refresh()
        self._follow_production()
        if self._shadow is not None:
            self._shadow.set_candidate(self._candidate())
        self._reader.keep_only(self._kept())

    def _follow_production(self) -> None:
        offer = self._reader.offer(Kind.MODEL, self._name, Stage.PRODUCTION)
        if offer is None or not self._should_take(offer):
            return
        version = self._fetched(offer)
        self._switch.take(version)

    def _should_take(self, offer: Offer) -> bool:
        record, digest = self._switch.record, offer.component.digest
        wanted = record.wanted
        self._waits_for = None
        if wanted is not None and wanted.component == digest:
            return False
        if record.has_failed(digest, offer.event):
            return False
        percent = offer.canary_percent
        is_first = percent is None or is_canary(self._site, digest, percent)
        if not is_first and self._slot.last_good() is not None:
            self._waits_for = str(offer.component)
            return False
        return True

    def _candidate(self) -> tuple[Version, Path] | None:
        """What testing offers, where production has something else."""
        offer = self._reader.offer(Kind.MODEL, self._name, Stage.TESTING)
        wanted = self._switch.record.wanted
        if offer is None or (wanted and wanted.component == offer.component.digest):
            return None
        version = self._fetched(offer)
        path = self._file_of(version.component)
        return (version, path) if path else None

    def _fetched(self, offer: Offer) -> Version:
        """The offered component, on disk and verified."""
        component = offer.component
        file = _model_file(component)
        self._reader.fetch(component)
        return Version(component.digest, offer.event, component.version, file)

    def _file_of(self, digest: str) -> Path | None:
        folder = self._reader.held(digest)
        return next(folder.rglob(f"*{_SUFFIX}"), None) if folder else None

    def _kept(self) -> set[str]:
        record = self._switch.record
        versions = [*record.good, *([record.trial.version] if record.trial else [])]
        if self._shadow is not None and self._shadow.candidate is not None:
            versions.append(self._shadow.candidate)
        return {version.component for version in versions}

    def _try(self, step: Any) -> bool:
        try:
            step()
        except (ComponentError, BadInput, OSError) as error:
            if self._trouble != str(error):
                _log.error("updates of %s stop, inference goes on: %s", self._name, error)
            self._trouble = str(error)
            return False
        if self._trouble is not None:
            _log.info("updates of %s go on", self._name)
        self._trouble = None
        return True


def _model_file(component: Component) -> str:
    """The sha256 of the component's model file.

    Raises:
        UpdateRefused: it has none, or several.
    """
    files = [file for file in component.files if file.path.endswith(_SUFFIX)]
    if len(files) != 1:
        raise UpdateRefused(f"{component} has {len(files)} {_SUFFIX} files; a site runs one.")
    return files[0].sha256


def _shown(version: Version) -> dict[str, Any]:
    fields = asdict(version)
    return {
        "version": fields["name"],
        "component": fields["component"][:_SHOWN],
        "model": fields["file"][:_SHOWN],
    }
