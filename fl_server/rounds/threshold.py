"""A survey after a run: above which score a window is anomalous, under the run's privacy.

One round of a run of its own, in which the sites count the scores that the final model gives their
normal windows, on fixed bins (``models.nets.survey.ScoreSurvey``). The threshold is the quantile
that the task declares, of the noised counts of all sites together: post-processing.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fl_common.plan import RunPlan
from fl_common.privacy.quantiles import quantile_of
from fl_common.vocabulary import NetSpec, Parameters, Task
from fl_server.optimisers import State
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.strategy import Federation
from fl_server.rounds.survey import Asked, asking, noise_of_mean, plan_of, spent_on, survey_run
from models.kinds.anomaly import Anomaly, score_edges
from models.nets.survey import COUNTS, ScoreSurvey, survey_parameters
from models.parts.scoring import THRESHOLD

_FEW_BINS, _MANY_BINS = 48, 4096
"""With noise a bin more costs more than it tells; without, it costs nothing."""

_OWN_SEED = 0x7A115


def threshold_plan(plan: RunPlan, epsilon: float, identity: str) -> RunPlan:
    """The plan of the survey after the run of ``plan``, which spends ``epsilon`` of its limit.

    Raises:
        InvalidConfiguration: the limit is no more than that, or the unit has no survey.
    """
    bins = _MANY_BINS if plan.privacy.guarantee is None else _FEW_BINS
    options = {"target": plan.net.target, "options": dict(plan.net.options), "bins": bins}
    net = NetSpec(f"{ScoreSurvey.__module__}.{ScoreSurvey.__qualname__}", options)
    asked = Asked("threshold_epsilon", "task.kind=anomaly", net, 1, _OWN_SEED)
    return plan_of(plan, epsilon, identity, asked)


@dataclass(frozen=True)
class _Kept:
    """The step of the survey, an optimiser: the noised mean of votes is kept as it is."""

    def initial(self, parameters: Parameters) -> State:
        """There is nothing to remember."""
        return {}

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """The counts of the one phase."""
        return {**parameters, COUNTS: delta[COUNTS]}, state


@dataclass(frozen=True)
class ThresholdSurvey:
    """The ``federation`` that asks; ``noise`` is the standard deviation of a count's noise."""

    federation: Federation
    noise: float

    def of_task(self, task: Task) -> "ThresholdSurvey":
        """The same for ``task``, as an earlier survey has scaled it."""
        plan = replace(self.federation.plan, task=task)
        return replace(self, federation=replace(self.federation, plan=plan))

    def begin(self, scored: Parameters, folder: Path) -> FederatedRun:
        """Its run about the model with the parameters ``scored``; its state is in ``folder``."""
        bins = int(self.federation.plan.net.options["bins"])
        return survey_run(self.federation, folder, survey_parameters(scored, bins))


def build_threshold_survey(survey: RunPlan, run: Federation, sites: int) -> ThresholdSurvey:
    """The federation that performs ``survey`` after ``run``, on its sites."""
    federation, asked = asking(survey, run, sites)
    noise = noise_of_mean(survey.privacy, asked)
    return ThresholdSurvey(replace(federation, optimiser=_Kept()), noise)


@dataclass(frozen=True)
class ThresholdRecord:
    """What summary, report and model say of the threshold.

    ``value`` is what it is, ``quantile`` the share of normal windows that it is to lie above, and
    ``found`` whether the counts told it. ``run`` is the survey's identity, ``epsilon`` what it cost
    alone, and ``spend`` its event (``Spend``; both None without DP).
    """

    value: float
    quantile: float
    found: bool
    run: str
    epsilon: float | None
    spend: Mapping[str, Any] | None

    def __str__(self) -> str:
        cost = "without noise, as all of the run" if self.epsilon is None else (
            f"under DP, for epsilon {self.epsilon:.3g} of the limit")  # fmt: skip
        if not self.found:
            return (
                f"threshold: the noise of a survey {cost} hides the scores, and it stays at"
                f" {self.value:g}, the score of a net that knows nothing. Raise threshold_epsilon,"
                " or take more sites or more windows"
            )
        return (
            f"threshold: {100 * self.quantile:g} % of the sites' normal windows score below"
            f" {self.value:.4g}, by a survey {cost}"
        )


def thresholded(
    survey: ThresholdSurvey, counts: Parameters, scored: Parameters
) -> tuple[Parameters, ThresholdRecord]:
    """The parameters ``scored`` with the threshold that the survey's ``counts`` tell."""
    plan = survey.federation.plan
    counts_B = counts[COUNTS][0].astype(np.float64)
    quantile, edges_E = Anomaly(plan.task).quantile, np.log(score_edges(len(counts_B)))
    found = quantile_of(counts_B, edges_E, survey.noise, quantile)
    promise, spends = plan.privacy.guarantee, spent_on(plan)
    value = float(scored[THRESHOLD][0]) if found is None else math.exp(found)
    record = ThresholdRecord(
        value,
        quantile,
        found is not None,
        plan.run,
        promise.epsilon(spends) if promise else None,
        asdict(spends[0]) if spends else None,
    )
    return {**scored, THRESHOLD: np.full(1, value, np.float32)}, record
