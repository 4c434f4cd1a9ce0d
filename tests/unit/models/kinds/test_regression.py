"""Regression: its losses are what their names say, and its sums may be added."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import KindSpec, Task
from models.kinds import kind_of
from models.kinds.regression import regression
from tests.support import samples

MEAN = replace(samples.TASK, labels=(), kind=regression(-10.0, 30.0, "Cel", None))
NINE_TENTHS = replace(samples.TASK, labels=(), kind=regression(-10.0, 30.0, "Cel", 0.9))
BOTH = pytest.mark.parametrize("task", [MEAN, NINE_TENTHS], ids=["mean", "quantile"])


def drawn(count: int = 50) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth_N = generator.uniform(-10, 30, count)
    return truth_N, (truth_N + generator.normal(0, 4, count)).clip(-10, 30)


@BOTH
def test_toward_is_the_gradient_of_the_loss(task: Task) -> None:
    kind = kind_of(task)
    outputs_N1 = torch.randn(20, 1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets_N1 = torch.from_numpy(kind.targets(drawn(20)[0]))
    (expected,) = torch.autograd.grad(kind.losses(outputs_N1, targets_N1).sum(), outputs_N1)
    torch.testing.assert_close(kind.toward(outputs_N1.detach(), targets_N1), expected)


@BOTH
def test_a_number_comes_back_from_its_target(task: Task) -> None:
    kind, (truth_N, _) = kind_of(task), drawn()
    targets_N1 = torch.from_numpy(kind.targets(truth_N))
    outputs_N1 = targets_N1.logit()
    np.testing.assert_allclose(kind.predicted(outputs_N1, outputs_N1).numpy(), truth_N, atol=1e-4)
    assert kind.losses(outputs_N1, targets_N1).abs().max() < 1e-5


@BOTH
def test_sums_of_sites_give_the_measures_of_all_their_windows(task: Task) -> None:
    kind, (truth_N, predicted_N) = kind_of(task), drawn()
    apart = kind.sums(truth_N[:7], predicted_N[:7]) + kind.sums(truth_N[7:], predicted_N[7:])
    assert kind.measured(apart) == pytest.approx(kind.measured(kind.sums(truth_N, predicted_N)))
    score = float(kind.scores(truth_N, predicted_N).mean())
    first = kind.measures[0].name
    assert kind.of_score(score) == pytest.approx(kind.measured(apart)[first], abs=40 / 1024)


def test_measures_are_those_of_their_definitions() -> None:
    truth_N, predicted_N = np.array([0.0, 10.0, 20.0]), np.array([2.0, 10.0, 16.0])
    kind = kind_of(MEAN)
    found = kind.measured(kind.sums(truth_N, predicted_N))
    assert found == pytest.approx({"mae": 2.0, "rmse": (20 / 3) ** 0.5, "r2": 1 - 20 / 200})
    nine_tenths = kind_of(NINE_TENTHS)
    found = nine_tenths.measured(nine_tenths.sums(truth_N, predicted_N))
    expected = {"pinball": (0.1 * 2 + 0.9 * 4) / 3, "coverage": 2 / 3, "mae": 2.0}
    assert found == pytest.approx(expected)


@BOTH
def test_a_score_is_of_zero_to_one_in_whole_steps_whatever_is_answered(task: Task) -> None:
    kind = kind_of(task)
    answers_N = np.array([np.nan, np.inf, -np.inf, -10.0, 30.0, 3.3])
    scores_N = kind.scores(np.full(6, 30.0), answers_N)
    steps_N = scores_N * kind.score_steps
    assert steps_N.min() >= 0
    assert steps_N.max() <= kind.score_steps
    np.testing.assert_array_equal(steps_N, np.rint(steps_N))


@pytest.mark.parametrize("odd", [-10.1, 30.1, np.nan, np.inf])
def test_numbers_beyond_the_range_do_not_fit(odd: float) -> None:
    kind, labels_N = kind_of(MEAN), np.array([1.0, odd])
    assert kind.fits_N(labels_N).tolist() == [True, False]
    assert kind.why_unfit(labels_N) is not None


@pytest.mark.parametrize(
    ("low", "high", "quantile"), [(1.0, 1.0, None), (0.0, float("inf"), None), (0.0, 1.0, 1.0)]
)
def test_what_is_no_range_or_no_quantile_is_refused(
    low: float, high: float, quantile: float | None
) -> None:
    with pytest.raises(InvalidConfiguration):
        regression(low, high, "1", quantile)


@pytest.mark.parametrize(
    "options",
    [{}, {"low": 0.0, "high": 1.0}, {**dict(MEAN.kind.options), "low": 40.0},
     {**dict(MEAN.kind.options), "low": "0"}, {**dict(MEAN.kind.options), "more": 1}],
    ids=str,
)  # fmt: skip
def test_a_kind_of_others_with_odd_options_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidConfiguration):
        kind_of(replace(MEAN, kind=KindSpec.of("regression", **options)))


def test_an_option_is_one_value() -> None:
    with pytest.raises(TypeError):
        KindSpec.from_fields({"name": "regression", "options": {"low": [0.0]}})
