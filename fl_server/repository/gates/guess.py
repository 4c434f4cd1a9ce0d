"""The accuracy gate, first part: no model is worse than a guess, which looks at no window."""

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np

from fl_common.vocabulary import Task
from fl_server.repository.gates import GateFinding
from fl_server.rounds.counts import NoisedCounts
from models.kinds import Measure, kind_of
from models.kinds.details import BesideGuess, Estimate, details_of
from models.kinds.guesses import BALANCED, WORTH, published_guess

_FEW = "too few windows tell of it, beside the noise"


def worse_than_guess(metrics: Mapping[str, Any], task: Task | None) -> GateFinding | None:
    """The finding about a model that was worse on the test windows of its run; None: it was not.

    ``metrics`` are those that were published with it. A run without test windows has none of it.
    """
    if task is None or (guess := published_guess(kind_of(task), metrics)) is None:
        return None
    kind = kind_of(task)
    if not guess.beats(kind, metrics):
        return None
    first = kind.measures[0]
    own, other = (float(each[first.name]) for each in (metrics, guess.measures))
    return GateFinding(
        False,
        f"{first.told(own)} on the test windows of its run, which is worse than {guess.says}"
        f" ({first.shown(other)})",
        {"candidate": own, "guess": other},
    )


def worse_on_sites(
    counts: NoisedCounts | None, task: Task | None, confidence: float
) -> GateFinding | None:
    """The finding about a model that sites counted as worse with ``confidence``; None: it is not.

    Where noise or few windows hide it, it is not.
    """
    if counts is None or task is None or isinstance(found := _beside(counts, task), str):
        return None
    beside, balanced = found
    if balanced is not None and balanced.value >= WORTH:
        return None
    kind, measure = kind_of(task), _measure(beside, task)
    behind = beside.guess.value - beside.own.value
    error = math.hypot(beside.own.error, beside.guess.error)
    if (behind if measure.higher_is_better else -behind) <= _sure(confidence) * error:
        return None
    return GateFinding(
        False,
        f"{measure.title} {measure.shown(beside.own.value)} on the sites: with {confidence:.0%}"
        f" confidence worse than {kind.guess} ({measure.shown(beside.guess.value)})",
        {"candidate": beside.own.value, "guess": beside.guess.value},
    )


def with_guess(finding: GateFinding, counts: NoisedCounts | None, task: Task | None) -> GateFinding:
    """``finding`` with what the sites' counts tell of a guess, or why they tell nothing."""
    if counts is None or task is None:
        return finding
    if isinstance(found := _beside(counts, task), str):
        return replace(finding, detail=f"{finding.detail}; of a guess nothing can be told: {found}")
    guess, measure = found[0].guess.value, _measure(found[0], task)
    told = f"; a guess has {measure.told(guess)}, by {kind_of(task).guess}"
    values = {**finding.values, "guess": guess}
    return replace(finding, detail=finding.detail + told, values=values)


def _beside(counts: NoisedCounts, task: Task) -> tuple[BesideGuess, Estimate | None] | str:
    """A model beside a guess and its balanced accuracy, if any; or why it can't be told."""
    if (details := details_of(task)) is None:
        return f"task.kind={task.kind.name} has no details of an evaluation"
    if len(counts.details) != len(details.weights_M):
        return "the counts have no details (evaluation.details=true)"
    counts = counts.beside_details
    if counts.total <= 3 * counts.noise:
        return _FEW
    sums_M, noise_M = np.array(counts.details), (counts.noise / details.weights_M) ** 2
    about = Estimate(counts.total, counts.noise), sums_M, noise_M + sums_M.clip(0)
    score = Estimate(counts.accuracy, math.sqrt(counts.variance))
    if (beside := details.beside_guess(score, *about)) is None:
        return _FEW
    return beside, details.estimates(*about).get(BALANCED)


def _measure(beside: BesideGuess, task: Task) -> Measure:
    kind = kind_of(task)
    return next(m for m in (*kind.measures, kind.on_sites) if m.name == beside.measure)


def _sure(confidence: float) -> float:
    """Standard errors that chance exceeds with one less this probability."""
    return NormalDist().inv_cdf(confidence)
