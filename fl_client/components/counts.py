"""Counts of how a candidate did beside production on live windows, for the site's own operators.

They never leave the site: they depend on when windows came, and on what ran and was skipped then.
What may leave is made from the held-out windows themselves (``comparison``).
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fl_client.components.record import read_or
from fl_common.files.whole import write_whole

FOLDER = "components"
"""The sub-folder of a site's folder that holds component records and fetched components."""
REPOSITORY = "repository"
"""The sub-folder of ``FOLDER`` with the trusted metadata and the fetched components."""
COUNTS = "shadow.json"
"""The file with a site's shadow counts of one component."""


@dataclass(frozen=True)
class LiveObservation:
    """One window: whether the candidate agreed with production, or failed (made no prediction).

    ``late``: the call took too long; true for one window of each such call.
    """

    agreed: bool
    failed: bool
    late: bool
    seconds: float
    production_seconds: float


@dataclass(frozen=True)
class ShadowSummary:
    """What the candidate (a component's digest) did on the live windows.

    One file, ``production`` (its sha256), was in production for all of them. ``skipped`` counts
    windows that the candidate was too slow to predict.
    """

    candidate: str | None = None
    windows: int = 0
    agreed: int = 0
    failed: int = 0
    late: int = 0
    skipped: int = 0
    seconds: float = 0.0
    production_seconds: float = 0.0
    production: str | None = None

    def beside(self, production: str) -> "ShadowSummary":
        """These counts if they are for this production file, else empty ones."""
        if self.production == production:
            return self
        if self.production is None:
            return replace(self, production=production)
        return ShadowSummary(self.candidate, production=production)

    def plus(self, seen: LiveObservation) -> "ShadowSummary":
        """With one more window."""
        return ShadowSummary(
            self.candidate,
            self.windows + 1,
            self.agreed + seen.agreed,
            self.failed + seen.failed,
            self.late + seen.late,
            self.skipped,
            self.seconds + seen.seconds,
            self.production_seconds + seen.production_seconds,
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
    return ShadowSummary(**fields)
