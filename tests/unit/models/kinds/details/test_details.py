"""Details of an evaluation: what one window moves, and what follows from their sums."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    mean_pinball_loss,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from fl_common.vocabulary import KindSpec, Task
from models.kinds import kind_of
from models.kinds.anomaly import anomaly
from models.kinds.details import Details, Estimate, details_of
from models.kinds.forecast import forecast
from models.kinds.multilabel import has_of, multilabel
from models.kinds.regression import regression
from tests.support import samples

LABELS = replace(samples.TASK, labels=("a", "b", "c", "d"))
NUMBERS = replace(samples.TASK, labels=(), kind=regression(-10, 30, "Cel", None))
QUANTILE = replace(NUMBERS, kind=regression(-10, 30, "Cel", 0.9))
READINGS = replace(
    samples.TASK, labels=("a", "b"), window_shape=(8, len(samples.TASK.channels)),
    kind=KindSpec.of("sequence"),
)  # fmt: skip
AHEAD = replace(
    samples.TASK, labels=(), window_shape=(8, len(samples.TASK.channels)), kind=forecast(3)
)
SETS = replace(samples.TASK, labels=(), kind=multilabel(["a", "b", "c"]))
SCORES = replace(samples.TASK, labels=(), kind=anomaly(None))
places = st.floats(0, 1, width=32)


def of(task: Task) -> Details:
    found = details_of(task)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "task",
    [LABELS, NUMBERS, QUANTILE, SETS, SCORES],
    ids=["labels", "mean", "quantile", "sets", "scores"],
)
@given(truth=places, predicted=places)
def test_one_window_s_score_and_weighted_details_have_a_norm_of_sqrt_2_at_most(
    task: Task, truth: float, predicted: float
) -> None:
    if task in (LABELS, SETS):
        most = 3.99 if task is LABELS else 7.99
        both = [np.array([int(most * place)]) for place in (truth, predicted)]
    elif task is SCORES:
        both = [np.array([int(2.99 * truth) - 1]), np.array([[predicted * 12, 1.0]])]
    else:
        both = [np.array([-10 + 40 * place], np.float32) for place in (truth, predicted)]
    details = of(task)
    sums_M = details.sums(both[0], both[1])
    assert (sums_M * details.steps == np.rint(sums_M * details.steps)).all()
    weighted_M = sums_M * details.weights_M
    score = float(kind_of(task).scores(both[0], both[1])[0])
    assert score**2 + float(weighted_M @ weighted_M) <= 2 + 1e-9


@pytest.mark.parametrize("task", [READINGS, AHEAD], ids=["readings", "ahead"])
@given(seed=st.integers(0, 2**16))
def test_so_have_those_of_a_window_with_many_labels_or_readings(task: Task, seed: int) -> None:
    kind, generator = kind_of(task), np.random.default_rng(seed)
    truth_N = kind.drawn(1, generator)
    predicted_N = kind.guessed(truth_N) if seed % 2 else kind.drawn(1, generator)
    if task is AHEAD:
        predicted_N = truth_N[:, :, -3:] * generator.uniform(-1, 1)
    details = of(task)
    sums_M = details.sums(truth_N, predicted_N)
    assert np.allclose(sums_M * details.steps, np.rint(sums_M * details.steps))
    weighted_M = sums_M * details.weights_M
    score = float(kind.scores(truth_N, predicted_N)[0])
    assert score**2 + float(weighted_M @ weighted_M) <= 2 + 1e-9


def test_labels_have_the_foreign_judge_s_figures_where_nothing_is_noised() -> None:
    generator = np.random.default_rng(1)
    truth_N, predicted_N = (generator.choice(4, 500, p=[0.7, 0.2, 0.06, 0.04]) for _ in range(2))
    details = of(LABELS)
    sums_M = details.sums(truth_N, predicted_N)
    found = details.estimates(Estimate(500.0, 0.0), sums_M, np.zeros(12))
    assert found["balanced_accuracy"].value == pytest.approx(
        balanced_accuracy_score(truth_N, predicted_N)
    )
    assert found["macro_f1"].value == pytest.approx(f1_score(truth_N, predicted_N, average="macro"))
    assert found["macro_f1"].error == 0.0
    assert details.named(sums_M)["a"] == np.sum(predicted_N == 0)


def test_sets_have_the_foreign_judge_s_figures_where_nothing_is_noised() -> None:
    truth_N, predicted_N = (np.random.default_rng(seed).choice(8, 500) for seed in (4, 5))
    sums_M = of(SETS).sums(truth_N, predicted_N)
    found = of(SETS).estimates(Estimate(500.0, 0.0), sums_M, np.zeros(9))
    both = has_of(truth_N, 3), has_of(predicted_N, 3)
    for average in ("macro", "micro"):
        assert found[f"{average}_f1"].value == pytest.approx(f1_score(*both, average=average))
    assert (of(SETS).possible(sums_M, 500.0, np.zeros(9)) == sums_M).all()
    assert of(SETS).possible(np.full(9, 1e6), 9.0, np.zeros(9)).sum() == pytest.approx(27)
    assert of(SETS).hidden(sums_M, np.full(9, 1e6)) == ("a", "b", "c")


def test_numbers_have_the_foreign_judge_s_figures_but_for_the_steps() -> None:
    generator = np.random.default_rng(2)
    truth_N = generator.uniform(-5, 25, 400).astype(np.float32)
    predicted_N = truth_N + generator.normal(0, 3, 400).astype(np.float32)
    sums_M = of(NUMBERS).sums(truth_N, predicted_N)
    found = of(NUMBERS).estimates(Estimate(400.0, 0.0), sums_M, np.zeros(3))
    expected = root_mean_squared_error(truth_N, predicted_N)
    assert found["rmse"].value == pytest.approx(expected, rel=0.01)
    assert found["r2"].value == pytest.approx(r2_score(truth_N, predicted_N), abs=0.02)
    sums_M = of(QUANTILE).sums(truth_N, predicted_N)
    found = of(QUANTILE).estimates(Estimate(400.0, 0.0), sums_M, np.zeros(35))
    assert found["coverage"].value == np.mean(predicted_N >= truth_N)
    assert found["mae"].value == pytest.approx(np.abs(predicted_N - truth_N).mean(), rel=0.02)
    score = Estimate(0.5, 0.0)
    beside = of(QUANTILE).beside_guess(score, Estimate(400.0, 0.0), sums_M, np.zeros(35))
    assert beside is not None
    named = np.linspace(-10, 30, 33)
    each = [mean_pinball_loss(truth_N, np.full(400, number), alpha=0.9) for number in named]
    assert beside.guess.value == pytest.approx(min(each), rel=1e-5), "told without any loss"
    assert (of(QUANTILE).possible(sums_M, 400.0, np.zeros(35)) == sums_M).all()
    assert of(QUANTILE).possible(sums_M * 9, 9.0, np.zeros(35))[2:].sum() == pytest.approx(9)


def test_scores_have_the_foreign_judge_s_area_but_for_the_bins() -> None:
    generator = np.random.default_rng(6)
    truth_N = generator.choice([-1, 0, 1], 3000, p=[0.4, 0.4, 0.2])
    score_N = np.exp(generator.normal(0, 1, 3000) + (truth_N == 1)) / 4
    predicted_N = np.stack([score_N, np.ones(3000)], 1)
    sums_M = of(SCORES).sums(truth_N, predicted_N)
    found = of(SCORES).estimates(Estimate(3000.0, 0.0), sums_M, np.zeros(64))
    expected = roc_auc_score(truth_N == 1, score_N)
    assert found["auroc"].value == pytest.approx(expected, abs=0.01)
    assert (of(SCORES).possible(sums_M, 3000.0, np.zeros(64)) == sums_M).all()
    assert of(SCORES).possible(sums_M * 9, 9.0, np.zeros(64)).sum() == pytest.approx(9)
    nothing_M = of(SCORES).sums(np.array([0, 1]), np.array([[np.nan, 1.0], [np.inf, 1.0]]))
    assert nothing_M.reshape(2, -1)[:, -1].tolist() == [1, 1]


@pytest.mark.parametrize(
    "task",
    [LABELS, NUMBERS, QUANTILE, SETS, SCORES],
    ids=["labels", "numbers", "quantile", "sets", "scores"],
)
def test_standard_errors_are_those_of_many_draws(task: Task) -> None:
    generator = np.random.default_rng(3)
    truth_N: NDArray[Any]
    if task is LABELS:
        truth_N = generator.choice(4, 4000)
        predicted_N = np.where(generator.random(4000) < 0.7, truth_N, generator.choice(4, 4000))
    elif task is SETS:
        truth_N = generator.choice(8, 4000)
        predicted_N = np.where(generator.random(4000) < 0.7, truth_N, generator.choice(8, 4000))
    elif task is SCORES:
        truth_N = generator.choice(2, 4000)
        score_N = np.exp(generator.normal(0, 1, 4000) + truth_N) / 4
        predicted_N = np.stack([score_N, np.ones(4000)], 1)
    else:
        truth_N = generator.uniform(-10, 30, 4000)
        predicted_N = (truth_N + generator.normal(0, 8, 4000)).clip(-10, 30)
    details, noise = of(task), 20.0
    sums_M, noise_M = details.sums(truth_N, predicted_N), noise / details.weights_M
    exact = estimated(details, Estimate(4000.0, noise), sums_M, noise_M**2)
    drawn = [
        estimated(
            details,
            Estimate(4000.0 + noise * generator.standard_normal(), noise),
            sums_M + noise_M * generator.standard_normal(len(noise_M)),
            noise_M**2,
        )
        for _ in range(2000)
    ]
    for name, one in exact.items():
        spread = np.std([each[name].value for each in drawn])
        assert one.error == pytest.approx(spread, rel=0.15), name


def estimated(details: Details, *about: Any) -> dict[str, Estimate]:
    """All measures by name, and what a guess has."""
    beside = details.beside_guess(Estimate(0.5, 0.0), *about)
    assert beside is not None
    return {**details.estimates(*about), "guess": beside.guess}


def test_a_label_that_noise_hides_is_in_no_mean_and_is_named() -> None:
    details = of(LABELS)
    truth_N = np.repeat([0, 1, 2], [300, 300, 5])
    sums_M = details.sums(truth_N, truth_N)
    assert details.hidden(sums_M, np.zeros(12)) == ("d",)
    assert details.hidden(sums_M, np.full(12, 9.0)) == ("c", "d")
    assert details.estimates(Estimate(605, 3), sums_M, np.full(12, 9.0))["macro_f1"].value == 1
    assert details.estimates(Estimate(605, 200), sums_M, np.full(12, 4e4)) == {}


def test_counts_that_no_windows_give_are_cut_to_what_they_can() -> None:
    cut_M = of(LABELS).possible(np.full(12, 1e6), 100.0, np.zeros(12))
    assert cut_M[:8].sum() == pytest.approx(100)
    assert cut_M[8:].sum() == pytest.approx(100)
    honest_M = of(LABELS).sums(np.arange(4), np.array([0, 1, 2, 0]))
    assert (of(LABELS).possible(honest_M, 4.0, np.zeros(12)) == honest_M).all()
    assert of(NUMBERS).possible(np.array([-9e9] * 3), 10.0, np.ones(3)).tolist() == [-1, -11, -1]
