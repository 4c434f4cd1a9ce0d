"""Counts of how a candidate did beside production."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fl_client.components.record import read_or
from fl_common.files import write_whole

FOLDER = "components"
"""The sub-folder of a site's folder that holds component records and fetched components."""
COUNTS = "shadow.json"
"""The file with a site's shadow counts of one component."""

HeldOutDay = Callable[[int], str | None]
"""The UTC day of a held-out window that starts at this time (ns since 1970); None where the window
is not held out from training."""


@dataclass(frozen=True)
class ShadowObservation:
    """One window: whether the candidate agreed with production, or failed (made no prediction).

    ``late``: the call took too long; true for one window of each such call.
    """

    agreed: bool
    failed: bool
    late: bool
    seconds: float
    production_seconds: float


@dataclass(frozen=True)
class Sums:
    """Sums over windows, to which each window adds at most 1; they become ``ShadowCounts``.

    Only these may leave a site, and only with noise unless the plan makes counts public.
    """

    windows: int = 0
    agreed: int = 0
    failed: int = 0
    late: int = 0

    def plus(self, seen: ShadowObservation) -> "Sums":
        """With one more window."""
        return Sums(
            self.windows + 1,
            self.agreed + (seen.agreed and not seen.failed),
            self.failed + seen.failed,
            self.late + (seen.late and not seen.failed),
        )


@dataclass(frozen=True)
class ShadowSummary:
    """What the candidate (a component's digest) did on the live windows.

    One file, ``production`` (its sha256), was in production for all of them. ``held_out`` are the
    sums over held-out windows, by UTC day. ``skipped`` counts windows that the candidate was too
    slow to predict.
    """

    candidate: str | None = None
    windows: int = 0
    agreed: int = 0
    failed: int = 0
    late: int = 0
    skipped: int = 0
    seconds: float = 0.0
    production_seconds: float = 0.0
    held_out: Mapping[str, Sums] = field(default_factory=dict)
    production: str | None = None

    def beside(self, production: str) -> "ShadowSummary":
        """These counts if they are for this production file, else empty ones."""
        if self.production == production:
            return self
        if self.production is None:
            return replace(self, production=production)
        return ShadowSummary(self.candidate, production=production)

    def plus(self, seen: ShadowObservation, day: str | None) -> "ShadowSummary":
        """With one more window; ``day`` is set for a held-out window."""
        held_out = dict(self.held_out)
        if day is not None:
            held_out[day] = held_out.get(day, Sums()).plus(seen)
        return ShadowSummary(
            self.candidate,
            self.windows + 1,
            self.agreed + seen.agreed,
            self.failed + seen.failed,
            self.late + seen.late,
            self.skipped,
            self.seconds + seen.seconds,
            self.production_seconds + seen.production_seconds,
            held_out,
            self.production,
        )

    def with_skipped(self, windows: int) -> "ShadowSummary":
        """With windows that the candidate did not get."""
        return replace(self, skipped=self.skipped + windows)

    def shown(self) -> dict[str, Any]:
        """As JSON values for the site's own operators; these never leave the site."""
        of = self.windows or 1
        return {
            "candidate": self.candidate and self.candidate[:16],
            "windows": self.windows,
            "agreed": self.agreed,
            "agreement": self.agreed / of if self.windows else None,
            "failed": self.failed,
            "late": self.late,
            "skipped": self.skipped,
            "milliseconds": 1000 * self.seconds / of,
            "production_milliseconds": 1000 * self.production_seconds / of,
        }


def write_counts(path: Path, counts: ShadowSummary) -> None:
    """Write the counts, durably."""
    write_whole(path, json.dumps(asdict(counts)).encode())


def read_counts(path: Path) -> ShadowSummary:
    """The counts at ``path``; None where there are none."""
    counts: ShadowSummary = read_or(path, _counts, ShadowSummary())
    return counts


def _counts(fields: Any) -> ShadowSummary:
    held_out = {day: Sums(**sums) for day, sums in fields.pop("held_out").items()}
    return ShadowSummary(**fields, held_out=held_out)
