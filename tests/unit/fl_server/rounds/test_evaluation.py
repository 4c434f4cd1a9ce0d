"""What the sites' sums say of a model, by the measures of its task's kind."""

from dataclasses import replace

import pytest

from fl_common.vocabulary import Evaluation, Task
from fl_server.rounds.evaluation import SiteMetrics
from models.kinds.regression import regression
from tests.support import samples

NUMBERS = replace(samples.TASK, labels=(), kind=regression(0, 50, "Cel", None))


@pytest.mark.parametrize(
    ("task", "name", "value", "guess"),
    [
        (samples.TASK, "accuracy", 0.8, "accuracy_of_guess"),
        (NUMBERS, "mae", 10.0, "r2_of_guess"),
    ],
    ids=["labels", "numbers"],
)
def test_a_mean_score_is_told_as_the_measure_that_it_stands_for(
    task: Task, name: str, value: float, guess: str
) -> None:
    metrics = SiteMetrics(1, 0.0, 0.0, given={7: Evaluation(8.0, 10.0, 5.0)})
    told = metrics.measured(task)
    assert told.pop(guess) is None
    assert told == pytest.approx({name: value, "loss": 0.5})
    hidden = SiteMetrics(1, 100.0, 0.0, given={7: Evaluation(8.0, 10.0, 5.0)})
    assert hidden.measured(task) == {name: None, "loss": None, guess: None}
