"""The accuracy gate: a candidate is not worse than production by more than a margin."""

import math
from statistics import NormalDist
from typing import Any

from fl_server.repository.gates import AGAINST, GateFinding
from fl_server.rounds.counts import NoisedCounts

_FAR = 5.0
"""Standard errors that noised counts of the same windows exceed less than once in a million."""


def alone(candidate: NoisedCounts | None) -> GateFinding:
    """The finding about a first model: what the sites said of it, where they were asked."""
    first = "nothing is in production yet"
    values: dict[str, Any] = {AGAINST: None}
    if candidate is None:
        return GateFinding(
            True, f"{first}, and no evaluation on the sites was given (--counts)", values
        )
    if _is_hidden(candidate):
        return GateFinding(True, f"{first}, and the noise hides what the sites said", values)
    error = math.sqrt(candidate.variance)
    said = f"accuracy {candidate.accuracy:.3f}, standard error {error:.3f}"
    values |= {"candidate": candidate.accuracy, "standard_error": error}
    return GateFinding(True, f"{first}; the sites said: {said}", values)


def _is_hidden(counts: NoisedCounts) -> bool:
    return not math.isfinite(counts.correct + counts.noise) or counts.total <= 3 * counts.noise


def accuracy(
    candidate: NoisedCounts, production: NoisedCounts, margin: float, confidence: float
) -> GateFinding:
    """A one-sided test of non-inferiority (Wald) on the difference of two shares.

    Passed when the lower bound, at ``confidence``, of candidate minus production is above minus
    ``margin``: noise and few windows make the gate harder to pass, never easier. Both are treated
    as independent, which is conservative if they are evaluated on the same windows.
    """
    given = (candidate, production)
    if any(map(_is_hidden, given)):
        return GateFinding(False, "the noise is as large as the counts: evaluate on more windows")
    if abs(candidate.total - production.total) > _FAR * math.hypot(*(c.noise for c in given)):
        return GateFinding(
            False, "the two were not evaluated on the same windows: evaluate both again"
        )
    difference = candidate.accuracy - production.accuracy
    error = math.sqrt(candidate.variance + production.variance)
    bound = difference - NormalDist().inv_cdf(confidence) * error
    values = {
        "candidate": candidate.accuracy,
        "production": production.accuracy,
        AGAINST: production.digest,
        "lower_bound": bound,
        "margin": margin,
        "confidence": confidence,
    }
    detail = (
        f"{candidate.accuracy:.3f} against {production.accuracy:.3f}: with {confidence:.0%}"
        f" confidence at most {max(0.0, -bound):.3f} worse; {margin:g} is allowed"
    )
    return GateFinding(bound >= -margin, detail, values)
