"""What a candidate did beside production, in numbers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fl_client.components.record import read_or
from fl_common.files import write_whole

FOLDER = "components"
"""What a site remembers of the repository and fetched from it, in its folder."""
COUNTS = "shadow.json"
"""The file with a site's counts of one component, in its folder."""

HeldOutDay = Callable[[int], str | None]
"""The UTC day of a window that starts at this time (ns since 1970) and is held out from training;
None for one that is not."""


@dataclass(frozen=True)
class ShadowObservation:
    """One window: the candidate agreed with production, or failed (had no answer).

    ``late``: the call took too long; true for one window of each such call.
    """

    agreed: bool
    failed: bool
    late: bool
    seconds: float
    production_seconds: float


@dataclass(frozen=True)
class Sums:
    """Sums over windows, each at most 1 a window: what ``ShadowCounts`` says.

    This is all that may leave a site, and only with noise, unless a plan makes counts public.
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

    All of them were answered by one file in production, ``production`` (its sha256). ``held_out``
    are sums over those held out from training, by UTC day. ``skipped`` windows came faster than the
    candidate answers.
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
        """These counts, if they are of this file in production; else none yet."""
        if self.production == production:
            return self
        if self.production is None:
            return replace(self, production=production)
        return ShadowSummary(self.candidate, production=production)

    def plus(self, seen: ShadowObservation, day: str | None) -> "ShadowSummary":
        """With one more window; ``day`` is given for one that is held out."""
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
        """With windows that the candidate was not asked about."""
        return replace(self, skipped=self.skipped + windows)

    def shown(self) -> dict[str, Any]:
        """For the people of this site, as JSON values; it leaves by no other way."""
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
    """Keep the counts, durably."""
    write_whole(path, json.dumps(asdict(counts)).encode())


def read_counts(path: Path) -> ShadowSummary:
    """The counts at ``path``; none where none are."""
    counts: ShadowSummary = read_or(path, _counts, ShadowSummary())
    return counts


def _counts(fields: Any) -> ShadowSummary:
    held_out = {day: Sums(**sums) for day, sums in fields.pop("held_out").items()}
    return ShadowSummary(**fields, held_out=held_out)
