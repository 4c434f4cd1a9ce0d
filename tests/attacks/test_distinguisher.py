"""A hostile server asks one site the same thing thousands of times, and averages the noise away.

Two data sets differ in one window. Of each answer the server looks at the number that tells them
apart best: how far it lies in the direction in which answers differ. One window may move it by one
standard deviation of the noise over the noise multiplier, and by no more. The answers are those of
the whole site, not of its mechanism alone; false alarms come once in 10^9.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation, Site, any_plan
from fl_client.training import Trainer
from fl_client.training.cohort import CohortTrainer
from fl_client.training.prepared import net_for
from fl_common.plan import Instruction
from fl_common.privacy.evaluation import SENSITIVITY, EvaluationPlan
from fl_common.vocabulary import Doubles, Evaluation, LocalUpdate, Windows
from models.nets import parameters_of
from tests.support import samples
from tests.support.chance import mean_is
from tests.support.neighbours import with_window
from tests.support.trainers import TRAINERS

QUESTIONS, FEW_QUESTIONS = 3000, 600
MULTIPLIER = 2.0
PRIVACY = replace(
    samples.WINDOW_PRIVACY,
    noise_multiplier=MULTIPLIER,
    sampling_rate=1.0,
    steps=1,
    epsilon_limit=1e5,
)
PLAN = samples.plan(
    PRIVACY,
    {"learning_rate": 1.0},
    seed=None,
    evaluation=EvaluationPlan(MULTIPLIER, loss_limit=4.0, epsilon_limit=1e5),
)
FEW = samples.windows(6)
ODD = np.full(samples.TASK.window_shape, 50.0, np.float32)
MORE = with_window(FEW, ODD, 0, 6)


class Victim:
    """Many names of one site with these windows, so that all questions are one cohort."""

    def __init__(self, folder: Path, windows: Windows, trainer: Trainer, questions: int) -> None:
        folder.mkdir()
        ledger = Ledger(folder / "ledger.sqlite", lambda: 7.0, "fleet")
        self._participation = Participation(ledger, trainer)
        self._sites = [
            Site(f"anna-{place}", place, lambda: windows, lambda: windows, any_plan)
            for place in range(questions)
        ]

    def updates(self) -> Doubles:
        """Flat updates (questions, entries), in standard deviations of the noise."""
        asked = Instruction(PLAN, 1, parameters_of(net_for(PLAN)))
        answers = self._participation.answer([(site, asked) for site in self._sites])
        deviation = MULTIPLIER * PRIVACY.clip_norm / PRIVACY.expected_batch
        return np.stack([_flat(answer) for answer in answers]) / deviation

    def counts(self) -> Doubles:
        """Right, windows and loss (questions, 3), in standard deviations of the noise."""
        asked = Instruction(PLAN, 1, parameters_of(net_for(PLAN)))
        found = [self._participation.evaluate(site, asked) for site in self._sites]
        plan = PLAN.evaluation
        assert plan is not None
        scale = [plan.noise_on_counts, plan.noise_on_counts, plan.noise_on_loss]
        return np.array([_numbers(answer) for answer in found]) / scale


def sure(questions: int) -> float:
    """How far two means of half as many standard normals are apart at most, but once in 10^9."""
    return 6 * float(np.sqrt(4 / questions))


def _flat(answer: object) -> Doubles:
    assert isinstance(answer, LocalUpdate), answer
    return np.concatenate([array.ravel() for array in answer.delta.values()]).astype(np.float64)


def _numbers(answer: object) -> list[float]:
    assert isinstance(answer, Evaluation), answer
    return [answer.correct, answer.total, answer.loss_sum]


def apart(one: Doubles, other: Doubles) -> float:
    """How far the best direction, found on half of the answers, tells the other half apart."""
    half = len(one) // 2
    direction = other[:half].mean(0) - one[:half].mean(0)
    direction /= np.linalg.norm(direction)
    return float((other[half:] @ direction).mean() - (one[half:] @ direction).mean())


@pytest.mark.long
@TRAINERS
def test_averages_of_updates_are_no_further_apart_than_the_noise_allows(
    tmp_path: Path, make: Callable[[], Trainer]
) -> None:
    one, other = (
        Victim(tmp_path / name, windows, make(), QUESTIONS).updates()
        for name, windows in (("few", FEW), ("more", MORE))
    )
    assert abs((one - one.mean(0)).std() - 1) < 0.015
    found = apart(one, other)
    assert found < 1 / MULTIPLIER + sure(QUESTIONS)
    assert found > 0.4 / MULTIPLIER, "the attack sees what there is to see"


@pytest.mark.slow
def test_averages_of_counts_are_no_further_apart_than_the_noise_allows(tmp_path: Path) -> None:
    one, other = (
        Victim(tmp_path / name, windows, CohortTrainer(64), FEW_QUESTIONS).counts()
        for name, windows in (("few", FEW), ("more", MORE))
    )
    found = apart(one, other)
    assert found < 1 / MULTIPLIER + sure(FEW_QUESTIONS)
    right_and_windows = (other - one)[:, :2].sum(1) / 2**0.5  # what the odd window adds to both
    due = 2**0.5 / (MULTIPLIER * SENSITIVITY)
    assert mean_is(right_and_windows, due, 2**0.5), "the attack sees what there is to see"
