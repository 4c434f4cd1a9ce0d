"""The accuracy gate on unbalanced labels: what is told, and what a person can let decide."""

from dataclasses import replace

import numpy as np
import pytest

from fl_server.repository.gates.accuracy import accuracy, alone
from fl_server.repository.gates.told import Told
from fl_server.rounds.counts import NoisedCounts
from models.kinds.details import details_of
from models.kinds.guesses import BALANCED
from models.kinds.regression import regression
from tests.support import samples

TASK = replace(samples.TASK, labels=("idle", "fault"))
TRUTH_N = np.repeat([0, 1], [9_500, 500])


def counts(predicted_N: np.ndarray, noise: float = 0.0) -> NoisedCounts:
    details = details_of(TASK)
    assert details is not None
    sums_M = details.sums(TRUTH_N, predicted_N) + noise / 2
    right = float(np.sum(predicted_N == TRUTH_N))
    return NoisedCounts("0" * 64, right, 10_000.0, noise, tuple(sums_M.tolist()))


ALWAYS = counts(np.zeros(10_000, np.int64))
GOOD = counts(np.where(np.arange(10_000) % 10 == 0, 1 - TRUTH_N, TRUTH_N))


def test_a_model_that_always_says_the_most_frequent_label_is_told() -> None:
    finding = alone(ALWAYS, TASK)
    assert "accuracy 0.950" in finding.detail
    assert "balanced accuracy 0.500" in finding.detail
    assert "it names 'idle' for nearly all windows" in finding.detail
    assert finding.values["candidate_always_names"] == "idle"
    assert "nearly all" not in alone(GOOD, TASK).detail


def test_it_passes_by_accuracy_where_it_is_told_and_fails_by_balanced_accuracy() -> None:
    by_accuracy = accuracy(ALWAYS, GOOD, 0.02, 0.95, task=TASK)
    assert by_accuracy.passed
    assert "balanced accuracy 0.500 against 0.900" in by_accuracy.detail
    assert "for nearly all windows" in by_accuracy.detail
    assert by_accuracy.values["production_measures"][BALANCED] == pytest.approx(0.9)
    balanced = accuracy(ALWAYS, GOOD, 0.02, 0.95, BALANCED, TASK)
    assert not balanced.passed
    assert "balanced accuracy 0.500 against 0.900" in balanced.detail
    assert accuracy(GOOD, ALWAYS, 0.02, 0.95, BALANCED, TASK).passed


def test_what_noise_hides_can_t_be_compared() -> None:
    hidden = accuracy(counts(TRUTH_N, 300.0), GOOD, 0.02, 0.95, BALANCED, TASK)
    assert not hidden.passed
    assert "as large as the labels' counts" in hidden.detail
    plain = replace(GOOD, details=())
    assert "evaluation.details=true" in accuracy(plain, plain, 0.02, 0.95, BALANCED, TASK).detail
    assert accuracy(plain, plain, 0.02, 0.95, task=TASK).passed


def test_balanced_accuracy_lets_a_worse_model_through_as_often_as_it_says() -> None:
    """A candidate that is worse by exactly the margin, judged 1000 times with noised counts."""
    generator, noise, passed, trials = np.random.default_rng(0), 12.0, 0, 1000
    of_label_2 = np.array([9_500, 2_000])
    for _ in range(trials):
        judged = []
        for recall in (0.85, 0.88):
            right_2 = generator.binomial(of_label_2, recall)
            missed_2 = of_label_2 - right_2
            sums_M = np.concatenate([right_2, missed_2, missed_2[::-1]])
            noised_M = sums_M + generator.normal(0, noise, 6)
            total = 11_500 + generator.normal(0, noise)
            judged.append(
                NoisedCounts("0" * 64, float(right_2.sum()), total, noise, tuple(noised_M.tolist()))
            )
        passed += accuracy(judged[0], judged[1], 0.03, 0.95, BALANCED, TASK).passed
    assert 0.03 < passed / trials < 0.07


def test_errors_of_numbers_are_told_in_their_unit() -> None:
    task = replace(TASK, labels=(), kind=regression(0, 50, "Cel", None))
    truth_N = np.linspace(0, 50, 1000)
    details = details_of(task)
    assert details is not None
    sums = tuple(details.sums(truth_N, truth_N + 5 * (-1) ** np.arange(1000)).tolist())
    one = NoisedCounts("0" * 64, 900.0, 1000.0, 0.0, sums)
    finding = accuracy(one, one, 0.02, 0.95, task=task)
    assert finding.detail.startswith("mean absolute error 5 Cel against 5 Cel: ")
    assert "1 Cel is allowed" in finding.detail
    assert "root mean squared error 4.98 Cel against 4.98 Cel" in finding.detail


def test_how_many_labels_are_hidden_is_told_where_not_all_are_named() -> None:
    few, many = Told(hidden=("a", "b")), Told(hidden=tuple("abcdefg"))
    assert few.beside() == "; nothing can be told of a, b"
    assert many.beside() == "; nothing can be told of a, b, c, d, e and 2 more"
