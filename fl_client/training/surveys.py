"""A site's part in a survey: the votes of its windows, clipped and noised by the run's own plan.

``fl_common.privacy.quantiles`` has the sensitivity: a window's votes on C channels are at most
``sqrt(C)`` long, and are divided by that, so that they are at most the plan's clip norm, 1. Under
a plan that noises samples the noise is added here, once, as in a step of DP-SGD that takes each
window; under one for whole sites the mean of the votes leaves as an update does, by the gateway.

A survey of scores has one vote a window: the bin of what a network, whose parameters the server
sent, makes of it.
"""

from collections.abc import Sequence

import numpy as np

from fl_client.training import LocalTask, Trainer
from fl_client.training.checked_noise import CheckedNoise
from fl_client.training.checks import refuse, update_of
from fl_client.training.prepared import net_for
from fl_client.training.randomness import drawn_for, noise_source
from fl_common.errors import PrivacyViolation
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.privacy.quantiles import sensitivity, votes
from fl_common.vocabulary import Doubles, Floats, LocalUpdate, Refusal, RefusalReason
from models.evaluation import Evaluator
from models.nets.survey import (
    COUNTS,
    EDGES,
    ScoreSurvey,
    is_survey,
    readings_of,
    scored_parameters,
)


class WithSurveys:
    """``trainer``, but tasks of a survey are answered here, whatever the trainer is."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        """A result for each task, in order."""
        trained = [task for task in cohort if not is_survey(net_for(task.plan))]
        others = iter(self._trainer.train(trained) if trained else ())
        return [_answer(task) if is_survey(net_for(task.plan)) else next(others) for task in cohort]


def _answer(task: LocalTask) -> LocalUpdate | Refusal:
    mechanism, privacy = task.plan.privacy.sample_mechanism, task.plan.privacy
    votes_CB = _votes(task)
    try:
        if mechanism is not None:
            counts_CB = _noised(task, votes_CB, mechanism)
        else:
            bound = 1.0 if privacy.update_mechanism is None else privacy.update_mechanism.clip_norm
            counts_CB = votes_CB * (bound / max(len(task.windows), 1))
    except PrivacyViolation as error:
        return refuse(task, RefusalReason.PRIVACY, str(error))
    return update_of(task, {COUNTS: counts_CB.astype(np.float32)})


def _votes(task: LocalTask) -> Doubles:
    """The sum of all windows' votes, of which each is at most 1 long."""
    net = net_for(task.plan)
    if isinstance(net, ScoreSurvey):
        return votes(_scores(task, net)[:, None, None], net.edges[None])
    readings_NVC = readings_of(task.windows.values, task.plan.task)
    edges_CE = task.parameters[EDGES]
    return votes(readings_NVC, edges_CE) / sensitivity(len(edges_CE))


def _scores(task: LocalTask, net: ScoreSurvey) -> Floats:
    """Each window's score (N,), of that window alone: batches have one size, whatever N is."""
    if not len(task.windows):
        return np.empty(0, np.float32)
    evaluate = Evaluator(net.scoring(), task.windows, task.plan.task, fixed=True)
    scores_N: Floats = evaluate(scored_parameters(task.parameters)).predicted_N[:, 0]
    return scores_N


def _noised(task: LocalTask, votes_CB: Doubles, mechanism: SampleMechanism) -> Doubles:
    """The noised sum over the plan's expected batch.

    Raises:
        PrivacyViolation: the noise was not drawn as planned, which takes each window once.
    """
    drawn, grid = (task.plan, task.site, task.round), mechanism.grid(votes_CB.size)
    noise = CheckedNoise(noise_source(*drawn), drawn_for(*drawn))
    noise_CB = noise.standard_normal(votes_CB.size).numpy().reshape(votes_CB.shape)
    noised_CB = grid.noised(votes_CB * grid.bound, noise_CB)
    noise.verify(mechanism.steps, votes_CB.size)
    result_CB: Doubles = noised_CB / mechanism.expected_batch
    return result_CB
