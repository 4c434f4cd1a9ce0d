"""The accuracy gate, first part: no model is worse than a guess, which looks at no window."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from fl_common.vocabulary import Task
from fl_server.repository.gates import GateFinding
from fl_server.rounds.counts import NoisedCounts
from models.kinds import kind_of
from models.kinds.details import Estimate, details_of
from models.kinds.guesses import BALANCED, WORTH, published_guess


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

    Where noise or few windows hide it, it is not; nor where details of the kind tell of no guess.
    """
    details = details_of(task) if task else None
    if counts is None or task is None or details is None or counts.total <= 3 * counts.noise:
        return None
    if len(counts.details) != len(details.weights_M):
        return None
    sums_M, noise_M = np.array(counts.details), (counts.noise / details.weights_M) ** 2
    about = Estimate(counts.total, counts.noise), sums_M, noise_M + sums_M.clip(0)
    score = Estimate(counts.accuracy, math.sqrt(counts.variance))
    balanced, beside = details.estimates(*about).get(BALANCED), details.beside_guess(score, *about)
    if beside is None or (balanced is not None and balanced.value >= WORTH):
        return None
    kind = kind_of(task)
    measure = next(m for m in (*kind.measures, kind.on_sites) if m.name == beside.measure)
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


def _sure(confidence: float) -> float:
    """Standard errors that chance exceeds with one less this probability."""
    return NormalDist().inv_cdf(confidence)
