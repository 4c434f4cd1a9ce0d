"""Training of tasks that are charged: whatever fails, an answer of the planned form leaves."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fl_client.site.private_data import no_windows
from fl_client.site.shortfalls import Shortfall, Shortfalls
from fl_client.training import LocalTask, Trainer
from fl_client.training.checks import RAISED, refuse
from fl_client.training.prepared import net_for
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from models.nets import trained_part

_logger = logging.getLogger(__name__)
_Reply = LocalUpdate | Refusal


class ChargedTrainer:
    """``trainer``, but a charged task that it can't train gets the answer of a site without data.

    Tasks without DP are refused as ``trainer`` refuses them. So are those whose mechanism did not
    run as planned: then not even noise can be trusted.
    """

    def __init__(self, trainer: Trainer, told: Shortfalls) -> None:
        self._trainer, self._told = trainer, told

    def train(self, cohort: Sequence[LocalTask]) -> list[_Reply]:
        """A result for each task, in order; never raises what training raises."""
        return [
            self._without_data(task, answer) if _must_be_answered(task, answer) else answer
            for task, answer in zip(cohort, self._results(cohort), strict=True)
        ]

    def _results(self, cohort: Sequence[LocalTask]) -> list[_Reply]:
        """What the trainer returns; should it raise for a cohort, each task is tried alone."""
        try:
            return self._trainer.train(cohort)
        except Exception:
            if len(cohort) > 1:
                return [answer for task in cohort for answer in self._results([task])]
            _logger.exception("the trainer raised")
            return [refuse(task, RefusalReason.TRAINING, RAISED) for task in cohort]

    def _without_data(self, task: LocalTask, failed: _Reply) -> _Reply:
        """The mechanism's answer for the empty data set."""
        if isinstance(failed, Refusal):
            self._told.note(task.site, Shortfall.RAISED, failed.detail)
        if task.plan.privacy.sample_mechanism is None:  # noise on the whole update comes later
            sent = trained_part(net_for(task.plan), task.parameters)
            delta = {name: np.zeros_like(array) for name, array in sent.items()}
            return LocalUpdate(task.site, task.plan.run, task.round, delta, 1.0)
        (answer,) = self._results([replace(task, windows=no_windows(task.plan.task))])
        if isinstance(answer, Refusal):
            return replace(answer, reason=RefusalReason.PRIVACY)
        return answer


def _must_be_answered(task: LocalTask, answer: _Reply) -> bool:
    """Whether the round is charged, and training failed but not its mechanism."""
    is_charged = task.plan.privacy.guarantee is not None
    failed = isinstance(answer, Refusal) and answer.reason != RefusalReason.PRIVACY
    return is_charged and failed
