"""The accuracy gate: a candidate is not worse than production by more than a margin."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from fl_common.vocabulary import Task
from fl_server.repository.gates import AGAINST, GateFinding
from fl_server.repository.gates.guess import with_guess, worse_on_sites, worse_than_guess
from fl_server.repository.gates.told import ACCURACY, Told, why_not_balanced
from fl_server.rounds.counts import NoisedCounts
from models.kinds import Measure, kind_of
from models.kinds.details import Estimate
from models.kinds.guesses import BALANCED

_SHARE = Measure(ACCURACY, "accuracy", True)
_FAR = 5.0
"""Standard errors that noised counts of the same windows exceed less than once in a million."""


def than_guess(
    metrics: Mapping[str, Any],
    candidate: NoisedCounts | None,
    confidence: float,
    task: Task | None = None,
) -> GateFinding | None:
    """The finding about a model that is worse than a guess; None: it is not, as far as is known."""
    found = worse_than_guess(metrics, task)
    return found or worse_on_sites(candidate, task, confidence)


def alone(candidate: NoisedCounts | None, task: Task | None = None) -> GateFinding:
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
    told = Told.of(candidate, task)
    score = _Score(task)
    shown = f"{score.title} {score.shown(candidate.accuracy)}, standard error {score.size(error)}"
    said = f"{shown}{told.beside(without=score.name)}"
    values |= {"candidate": candidate.accuracy, "standard_error": error, **told.values("candidate")}
    return with_guess(
        GateFinding(True, f"{first}; the sites said: {said}", values), candidate, task
    )


def _is_hidden(counts: NoisedCounts) -> bool:
    return not math.isfinite(counts.correct + counts.noise) or counts.total <= 3 * counts.noise


def accuracy(
    candidate: NoisedCounts,
    production: NoisedCounts,
    margin: float,
    confidence: float,
    measure: str = ACCURACY,
    task: Task | None = None,
) -> GateFinding:
    """A one-sided test of non-inferiority (Wald) on the difference of two shares.

    ``measure`` decides: the mean score (the accuracy) or the balanced accuracy. What else the
    counts tell of windows of ``task`` is told beside it.

    Passed when the lower bound, at ``confidence``, of candidate minus production is above minus
    ``margin``: noise and few windows make the gate harder to pass, never easier. Both are treated
    as independent, which is conservative if they are evaluated on the same windows.
    """
    if trouble := _why_not_compared(candidate, production):
        return GateFinding(False, trouble)
    told = Told.of(candidate, task), Told.of(production, task)
    pair = [Estimate(c.accuracy, math.sqrt(c.variance)) for c in (candidate, production)]
    if measure == BALANCED:
        if trouble := why_not_balanced(*told):
            return GateFinding(False, trouble)
        pair = [each.measures[BALANCED] for each in told]
    error = math.hypot(pair[0].error, pair[1].error)
    bound = pair[0].value - pair[1].value - NormalDist().inv_cdf(confidence) * error
    values = {
        "candidate": pair[0].value,
        "production": pair[1].value,
        "measure": measure,
        AGAINST: production.digest,
        "lower_bound": bound,
        "margin": margin,
        "confidence": confidence,
        **told[0].values("candidate"),
        **told[1].values("production"),
    }
    score = _Score(task if measure == ACCURACY else None)
    title = score.title if measure == ACCURACY else "balanced accuracy"
    detail = (
        f"{title} {score.shown(pair[0].value)} against {score.shown(pair[1].value)}: with"
        f" {confidence:.0%} confidence at most {score.size(max(0.0, -bound))} worse;"
        f" {score.size(margin)} is allowed"
        f"{told[0].beside(told[1], without=score.name if measure == ACCURACY else measure)}"
    )
    return with_guess(GateFinding(bound >= -margin, detail, values), candidate, task)


def _why_not_compared(candidate: NoisedCounts, production: NoisedCounts) -> str | None:
    given = (candidate, production)
    if any(map(_is_hidden, given)):
        return "the noise is as large as the counts: evaluate on more windows"
    if abs(candidate.total - production.total) > _FAR * math.hypot(*(c.noise for c in given)):
        return "the two were not evaluated on the same windows: evaluate both again"
    return None


class _Score:
    """How a mean score of windows of ``task`` is said: as what it stands for; None: as a share."""

    def __init__(self, task: Task | None) -> None:
        self._kind = None if task is None else kind_of(task)
        self._measure = self._kind.on_sites if self._kind else _SHARE
        self.name, self.title = self._measure.name, self._measure.title

    def shown(self, score: float) -> str:
        """What this mean score stands for."""
        return self._measure.shown(self._kind.of_score(score) if self._kind else score)

    def size(self, difference: float) -> str:
        """What this difference of mean scores stands for."""
        if self._kind is None:
            return self._measure.shown(difference)
        return self._measure.shown(abs(self._kind.of_score(difference) - self._kind.of_score(0.0)))
