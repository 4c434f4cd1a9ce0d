"""Federated evaluation: the noise of its counts, and each window's loss, which is cut."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
from scipy import stats

from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.vocabulary import Evaluation, Parameters, Windows
from models.kinds import CLASSIFICATION, kind_of
from models.kinds.details import details_of
from simulate.audit.checks import ERROR, Check, range_of_mean_square, within
from simulate.audit.probe import Examined, probing

_ROUNDS, _DRAWN = 150, 8
_QUIET = 1e-3
_USUAL = EvaluationPlan(noise_multiplier=5.0, loss_limit=4.0, epsilon_limit=1.0)
"""Examined where the plan has no evaluation: the code is the same."""
_ENORMOUS = 1e3
"""Parameters of this size make large losses."""
_SIGMAS = 7.0
_SENSITIVITY = {False: math.sqrt(3), True: 2.0}
"""Of three counts that one window moves by one at most, and of those with the details of labels, of
which one window moves two by one where it is wrong; stated here again, to be independent."""


def check_evaluation(examined: Examined, windows: Windows) -> list[Check]:
    """Checks of what an evaluation on some of ``windows`` releases."""
    evaluation = examined.plan.evaluation or _USUAL
    return [*_noise(examined, evaluation, windows), _cut(examined, evaluation, windows)]


def _noise(examined: Examined, evaluation: EvaluationPlan, windows: Windows) -> list[Check]:
    """Evaluations of the same parameters on the same window differ by their noise."""
    one = windows.take(np.arange(1))
    with probing(examined, examined.evaluating(evaluation), "probe-a", one) as probe:
        found = [probe.counts(round_) for round_ in range(1, _ROUNDS + 1)]
    counts_RS = np.array([[e.loss_sum, e.correct, e.total, *e.details] for e in found])
    task, limit = examined.plan.task, evaluation.loss_limit
    details = details_of(task) if evaluation.details else None
    weights_M = details.weights_M if details else np.empty(0)
    finest_M = np.full(len(weights_M), 1 / details.steps if details else 1.0)
    steps_S = np.array([limit / 1024, 1 / kind_of(task).score_steps, 1.0, *finest_M])
    noise = _SENSITIVITY[evaluation.details] * evaluation.noise_multiplier
    scale_S = np.array([limit, 1.0, 1.0, *(1 / weights_M)])
    deviation_S = np.hypot(noise * scale_S, steps_S / math.sqrt(12))
    around_RS = (counts_RS - counts_RS.mean(0)) / deviation_S
    free = counts_RS.shape[1] * (_ROUNDS - 1)
    low, high = range_of_mean_square(free)
    return [
        within("evaluation: noise", float(np.sum(around_RS**2)) / free, low, high, ".3f"),
        _fresh(found, float(np.prod(2 * math.sqrt(math.pi) * deviation_S / steps_S))),
    ]


def _fresh(found: list[Evaluation], cells: float) -> Check:
    """Two releases agree in all counts by chance in one of ``cells``."""
    pairs = len(found) * (len(found) - 1) / 2
    same = sum(a == b for a, b in combinations(found, 2))
    most = int(stats.poisson.isf(ERROR, pairs / cells))
    name = "evaluation: repeats"
    return Check(name, f"{same} pairs of {len(found)} alike", f"at most {most}", same <= most)


def _cut(examined: Examined, evaluation: EvaluationPlan, windows: Windows) -> Check:
    """One window under each label, at parameters that are sure, so that all labels but one cost.

    Of another kind of task under a few that its kind draws.
    """
    task = examined.plan.task
    labels_N = np.arange(len(task.labels), dtype=np.int64)
    if task.kind.name != CLASSIFICATION:
        labels_N = kind_of(task).drawn(_DRAWN, np.random.default_rng(0))
    labels = len(labels_N)
    each = replace(windows.take(np.zeros(labels, np.int64)), labels=labels_N)
    quiet = replace(evaluation, noise_multiplier=_QUIET)
    with probing(examined, examined.evaluating(quiet), "probe-a", each) as probe:
        loss = probe.counts(1, _enormous(probe.parameters)).loss_sum / evaluation.loss_limit
    noise = _SIGMAS * _SENSITIVITY[evaluation.details] * _QUIET
    measured = f"{loss:.4g} limits for {labels}"
    return Check("evaluation: loss", measured, f"at most {labels}", 0.5 < loss <= labels + noise)


def _enormous(parameters: Parameters) -> Parameters:
    drawn = np.random.default_rng(0)
    return {
        name: _ENORMOUS * drawn.standard_normal(array.shape).astype(np.float32)
        for name, array in parameters.items()
    }
