"""A survey before a run: the median and spread of each channel over the fleet, under its privacy.

``PHASES`` rounds of a run of its own, whose plan has the run's privacy with a noise of its own. In
each the sites vote on bins (``fl_common.privacy.quantiles``), and the server chooses the next bins
by the noised sums: the step of an optimiser, so that a round is like any other, and is charged,
checked, kept and resumed like it.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fl_common.configuration.rules import Rule, require
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan, TrainingPlan
from fl_common.privacy.accounting import EPSILON, Spend, calibrate_noise
from fl_common.privacy.quantiles import MOST_OFF, Reading, first_edges, read, scale_of, total_of
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import NetSpec, Parameters, Task
from fl_server.aggregation.mean import WeightedMean
from fl_server.optimisers import State
from fl_server.rounds.app import FederatedRun, Row
from fl_server.rounds.report import RoundReport
from fl_server.rounds.sampling import ClientSampling, PoissonSampling, Sampling
from fl_server.rounds.strategy import Federation
from models.nets import build_net, parameters_of
from models.nets.survey import (
    COUNTS,
    EDGES,
    FOUND,
    KNOWN,
    NOISY,
    ROUGH,
    Survey,
    channels_found,
    scaled,
)

_logger = logging.getLogger(__name__)
PHASES = 4
"""Each divides what the median may be wrong by by about ten, and shares the noise."""

NOT_COMPARED = (
    "a survey gives this run's windows a scale of their own; a run that declares the center and"
    " scale of that model is compared with it"
)
"""Why no model in production is compared with that of a run after a survey, and what to do."""

_MOST_ASKED = 1000
_NEXT = "next"


def survey_plan(plan: RunPlan, epsilon: float, identity: str) -> RunPlan:
    """The plan of the survey before the run of ``plan``, which spends ``epsilon`` of its limit.

    Raises:
        InvalidConfiguration: the limit is no more than that, or the unit has no survey.
    """
    net = NetSpec(f"{Survey.__module__}.{Survey.__qualname__}", {})
    asked = Asked("scale_epsilon", "scale=private", net, PHASES, _OWN_SEED)
    return plan_of(plan, epsilon, identity, asked)


_VOTES = TrainingPlan("sgd", 1.0, 0.0, 0.0, 1, 1, 0.0, "constant")
"""They leave as they are: no rate of the run's bounds their norm."""


@dataclass(frozen=True)
class Asked:
    """A survey: the ``value`` of its epsilon, what asks for it, its net, rounds and seed."""

    value: str
    asks: str
    net: NetSpec
    phases: int
    own_seed: int


def plan_of(plan: RunPlan, epsilon: float, identity: str, asked: Asked) -> RunPlan:
    """The plan of the survey ``asked`` for, which spends ``epsilon`` of the limit of ``plan``.

    Raises:
        InvalidConfiguration: the limit is no more than that, or the unit has no survey.
    """
    require(asked.value, epsilon, EPSILON)
    promise, noise = plan.privacy.guarantee, 1.0
    if promise is not None:
        rule = Rule(
            f"must be below privacy.epsilon, {promise.epsilon_limit:g}: the rest is for training",
            lambda share: share < promise.epsilon_limit,
        )
        require(asked.value, epsilon, rule)
        about = (1.0, asked.phases, promise.accountant, promise.windows_per_unit)
        noise = calibrate_noise(epsilon, promise.delta, *about)
    privacy = plan.privacy.for_survey(noise)
    if privacy is None:
        raise InvalidConfiguration(
            f"{asked.asks} under privacy.unit={plan.privacy.unit}",
            "needs a unit that says how a survey of its windows is noised",
            "Use privacy=window or site",
        )
    return replace(
        plan,
        run=identity,
        net=asked.net,
        training=_VOTES,
        privacy=privacy,
        rounds=asked.phases,
        seed=None if plan.seed is None else plan.seed ^ asked.own_seed,
        evaluation=None,
        compression=None,
    )


def with_survey(
    plan_beside: Callable[[tuple[Spend, ...]], RunPlan], epsilon: float, survey: str | None
) -> tuple[RunPlan, RunPlan | None]:
    """A run's plan, and that of the ``survey`` before it, which spends ``epsilon`` of its limit.

    ``plan_beside`` makes the run's plan for what is spent beside its rounds.

    Raises:
        InvalidConfiguration: as it does, and as ``survey_plan``.
    """
    plan = plan_beside(())
    if survey is None:
        return plan, None
    before = survey_plan(plan, epsilon, survey)
    return plan_beside(spent_on(before)), before


_OWN_SEED = 0x5CA1E
"""Seeded noise of a survey is not that of the run's first rounds."""


def spent_on(survey: RunPlan) -> tuple[Spend, ...]:
    """What the whole survey costs each unit; nothing without DP."""
    if survey.privacy.guarantee is None:
        return ()
    event = survey.privacy.spend_per_round
    return (replace(event, steps=event.steps * survey.rounds),)


def noise_of_mean(privacy: PrivacyPlan, sites: int) -> float:
    """The standard deviation of the noise on a number of the mean update of ``sites`` sites."""
    if (samples := privacy.sample_mechanism) is not None:
        of_one = samples.noise_multiplier * samples.clip_norm / samples.expected_batch
        return of_one / math.sqrt(sites)
    if (whole := privacy.update_mechanism) is None:
        return 0.0
    by_all = whole.expected_sites if whole.noise == "server" else math.sqrt(sites)
    return whole.noise_multiplier * whole.clip_norm / by_all


@dataclass(frozen=True)
class Zoom:
    """The step of a survey, an optimiser: from the noised mean of votes to the next bins.

    ``noise`` is the standard deviation of a number's noise. The state has the edges and counts of
    each phase, so that a checkpoint has all that is read in the end.
    """

    noise: float

    def initial(self, parameters: Parameters) -> State:
        """The edges of the first phase."""
        return {_NEXT: {EDGES: first_edges(len(parameters[COUNTS])).astype(np.float32)}}

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """New edges, and what all phases so far have found; ``counts`` stay zero."""
        edges_CE = state[_NEXT][EDGES]
        phases = {name: slot for name, slot in state.items() if name != _NEXT}
        phases[f"phase{len(phases) + 1}"] = {EDGES: edges_CE, COUNTS: delta[COUNTS]}
        read_of = [self._read(slot) for slot in phases.values()]
        next_CE, found_C3 = edges_CE.copy(), np.zeros((len(edges_CE), 3), np.float32)
        for channel, readings in enumerate(zip(*read_of, strict=True)):
            if (last := readings[-1]) is not None:
                next_CE[channel] = last.edges
            if (scale := scale_of(readings)) is not None:
                known = NOISY if scale.is_noisy else ROUGH if scale.is_rough else KNOWN
                found_C3[channel] = scale.center, scale.spread, known
        moved = {**parameters, EDGES: next_CE, FOUND: found_C3}
        return moved, {**phases, _NEXT: {EDGES: next_CE}}

    def _read(self, slot: Parameters) -> list[Reading | None]:
        """What one phase tells of each channel."""
        counts_CB, edges_CE = slot[COUNTS].astype(np.float64), slot[EDGES].astype(np.float64)
        total = total_of(counts_CB)
        pairs = zip(counts_CB, edges_CE, strict=True)
        return [read(counts_B, edges_E, self.noise, total) for counts_B, edges_E in pairs]


def build_survey(survey: RunPlan, run: Federation, sites: int) -> Federation:
    """The federation that performs the ``survey`` before ``run``, on its sites.

    Of a fleet of more than ``_MOST_ASKED`` sites a phase asks as many, by chance.
    """
    federation, asked = asking(survey, run, sites)
    return replace(federation, optimiser=Zoom(noise_of_mean(survey.privacy, asked)))


def asking(survey: RunPlan, run: Federation, sites: int) -> tuple[Federation, int]:
    """A federation of the plan ``survey`` on the sites of ``run``, and how many of them it asks."""
    minimum, asked = run.sampling.minimum, min(sites, _MOST_ASKED)
    sampling: Sampling = ClientSampling(None if asked == sites else asked, 1.0, minimum)
    if survey.privacy.update_mechanism is not None:
        sampling, asked = PoissonSampling(1.0, minimum), sites
    federation = replace(
        run,
        plan=survey,
        aggregator=WeightedMean(),
        sampling=sampling,
        evaluate_every=None,
        incumbent=None,
    )
    return federation, asked


def survey_run(survey: Federation, folder: Path, initial: Parameters | None = None) -> FederatedRun:
    """The rounds of ``survey``, whose state is in ``folder``: what is done is not repeated.

    It begins with ``initial``, or the first parameters of its net.
    """
    initial = initial or parameters_of(build_net(survey.plan.net, survey.plan.task))
    run = FederatedRun(survey, initial, folder, _row)
    run.resume()
    return run


def _row(report: RoundReport) -> Row:
    for trouble in (*report.troubles(), *(f"{r.site}: {r.detail}" for r in report.refusals)):
        _logger.warning("survey, phase %d: %s", report.round, trouble)
    return {"round": report.round, "sites": report.updates}


@dataclass(frozen=True)
class ScaleRecord:
    """What summary, report and model say of the scale.

    ``source`` is declared, public or private. The others are a private one's, else None: of how
    many channels it was found, of how many of them the spread is an order of magnitude only, and of
    how many the noise may have it several times off, the survey's identity, what it cost alone, and
    its event (``Spend``; None without DP).
    """

    source: str
    center: tuple[float, ...]
    scale: tuple[float, ...]
    channels_found: int | None = None
    channels_rough: int | None = None
    channels_noisy: int | None = None
    run: str | None = None
    epsilon: float | None = None
    spend: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        found, of = self.channels_found, len(self.center)
        cost = "without noise, as all of the run" if self.epsilon is None else (
            f"under DP, for epsilon {self.epsilon:.3g} of the limit")  # fmt: skip
        rest = "" if found == of else "; the others stay as declared: they are constant" + (
            "" if self.epsilon is None else ", or noise hides them")  # fmt: skip
        rough = "" if not self.channels_rough else (
            f"; the spread of {self.channels_rough} is an order of magnitude only: nearly all of"
            " their readings are alike")  # fmt: skip
        noisy = "" if not self.channels_noisy else (
            f"; noise may have the spread of {self.channels_noisy} more than {MOST_OFF:g}"
            " times off: more windows, fewer channels or a larger scale_epsilon help")  # fmt: skip
        return (
            f"scale: median and spread of {found} of {of} channels by a survey"
            f" {cost}{rough}{noisy}{rest}"
        )

    def published(self) -> dict[str, Any]:
        """For the model's metadata: the constants in its graph, and whose word they are."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def scaled_by(survey: RunPlan, parameters: Parameters, task: Task) -> tuple[Task, ScaleRecord]:
    """``task`` as the run of ``survey`` has scaled it, which ended with ``parameters``."""
    task, promise, spends = scaled(task, parameters), survey.privacy.guarantee, spent_on(survey)
    return task, ScaleRecord(
        "private",
        task.center,
        task.scale,
        *channels_found(parameters),
        survey.run,
        promise.epsilon(spends) if promise else None,
        asdict(spends[0]) if spends else None,
    )
