"""Forecasts: the same in any unit, measured beside the last reading, and judged by scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import KindSpec
from models.kinds import declared, kind_of
from models.kinds.forecast import divided, forecast, of_channels, of_steps
from tests.support import samples

TASK = replace(samples.TASK, labels=(), kind=forecast(3))
UNITS = np.array([1.0, 1000.0], np.float32)


def drawn(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Windows (N, 8, 2), whose channels differ a thousandfold, and what they are labelled with."""
    walk_NLC = np.random.default_rng(0).normal(size=(count, 11, 2)).cumsum(1) * UNITS + 5 * UNITS
    return divided(walk_NLC.astype(np.float32), 3)


def predicted(outputs: torch.Tensor, values_N: np.ndarray) -> np.ndarray:
    found: np.ndarray = kind_of(TASK).predicted(outputs, torch.from_numpy(values_N)).numpy()
    return found


def test_toward_is_the_gradient_of_the_loss_and_at_most_one() -> None:
    kind, targets_N = kind_of(TASK), torch.from_numpy(kind_of(TASK).targets(drawn()[1]))
    outputs_ND = 20 * torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    outputs_ND.requires_grad_()
    (expected,) = torch.autograd.grad(kind.losses(outputs_ND, targets_N).sum(), outputs_ND)
    found = kind.toward(outputs_ND.detach(), targets_N)
    torch.testing.assert_close(found, expected)
    assert found.norm(dim=1).max() <= 1.0


def test_readings_come_back_from_their_targets() -> None:
    kind, (values_N, labels_N) = kind_of(TASK), drawn()
    targets_N = torch.from_numpy(kind.targets(labels_N))
    near_N = np.abs(targets_N.numpy()).max(axis=1) < 10
    assert near_N.sum() > 30
    found_N = predicted(targets_N, values_N)
    np.testing.assert_allclose(found_N[near_N], labels_N[near_N][:, :, 2:], rtol=1e-4, atol=1e-3)
    assert kind.losses(targets_N, targets_N).abs().max() < 1e-5


def test_no_output_says_that_the_last_reading_stays() -> None:
    values_N, labels_N = drawn()
    kind, stays_N = kind_of(TASK), predicted(torch.zeros(40, 6), drawn()[0])
    np.testing.assert_array_equal(stays_N, np.repeat(values_N[:, -1][:, :, None], 3, axis=2))
    assert kind.measured(kind.sums(labels_N, stays_N))["of_last"] == pytest.approx(1.0)


def test_another_unit_changes_neither_targets_nor_scores() -> None:
    kind, (values_N, labels_N) = kind_of(TASK), drawn()
    outputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
    other_N, other_labels_N = values_N / UNITS, labels_N / UNITS[:, None]
    np.testing.assert_allclose(kind.targets(labels_N), kind.targets(other_labels_N), atol=1e-4)
    scores = [
        kind.scores(labels, predicted(outputs, values))
        for values, labels in ((values_N, labels_N), (other_N, other_labels_N))
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=2 / kind.score_steps)


def test_measures_are_those_of_scikit_learn() -> None:
    kind, (values_N, labels_N) = kind_of(TASK), drawn()
    told_N = predicted(torch.randn(40, 6, generator=torch.Generator().manual_seed(1)), values_N)
    came_N, last_N = labels_N[:, :, 2:], np.repeat(labels_N[:, :, :1], 3, axis=2)
    sums = kind.sums(labels_N[:9], told_N[:9]) + kind.sums(labels_N[9:], told_N[9:])
    by_channel = of_channels(TASK.channels, sums)
    shares = []
    for place, name in enumerate(TASK.channels):
        error = mean_absolute_error(came_N[:, place], told_N[:, place])
        of_last = mean_absolute_error(came_N[:, place], last_N[:, place])
        assert by_channel[name]["mae"] == pytest.approx(error, rel=1e-5)
        assert by_channel[name]["mae_of_last"] == pytest.approx(of_last, rel=1e-5)
        shares.append(error / of_last)
    found = kind.measured(sums)
    assert found["of_last"] == pytest.approx(np.mean(shares), rel=1e-5)
    whole = mean_absolute_error(came_N.reshape(40, -1), told_N.reshape(40, -1))
    assert found["mae"] == pytest.approx(whole, rel=1e-5)
    model_H, last_H = of_steps(sums)
    assert model_H.mean() == pytest.approx(found["of_last"])
    assert last_H.mean() == pytest.approx(1.0)


def test_no_mean_error_of_channels_in_different_units() -> None:
    task = replace(TASK, units=("Cel", "kPa"))
    assert [measure.name for measure in kind_of(task).measures] == ["of_last"]


def test_a_score_is_of_zero_to_one_in_whole_steps_whatever_is_answered() -> None:
    kind, (_, labels_N) = kind_of(TASK), drawn(4)
    labels_N[3] = 0.0  # a window without any change
    told_N = np.stack([labels_N[0, :, 2:], *(np.full((2, 3), odd) for odd in (np.nan, np.inf, 1))])
    steps_N = kind.scores(labels_N, told_N) * kind.score_steps
    assert steps_N[0] == kind.score_steps
    assert steps_N[1:].tolist() == [0, 0, 0]
    scores_N = kind.scores(*(each[:1] for each in (labels_N, told_N)))
    assert kind.of_score(float(scores_N[0])) == 0.0


def test_an_event_has_a_list_for_each_channel_and_its_times() -> None:
    told = kind_of(TASK).told([1, 2, 3, 4000.12345, 5000, 6000])
    assert told == {
        "forecast": {"x": [1.0, 2.0, 3.0], "y": [4000.12, 5000.0, 6000.0]},
        "seconds_ahead": [0.02, 0.04, 0.06],
    }
    without = kind_of(replace(TASK, rate_hz=None)).told([0.0] * 6)
    assert without["steps_ahead"] == [1, 2, 3]


def test_forecasts_agree_within_a_twentieth_of_each_channel_s_scale() -> None:
    kind = kind_of(replace(TASK, scale=(1.0, 1000.0)))
    one_N = np.zeros((3, 2, 3), np.float32)
    other_N = one_N + np.array([[0.04, 40], [0.04, 60], [0.06, 40]], np.float32)[:, :, None]
    assert kind.agree(one_N, other_N).tolist() == [True, False, False]


def test_windows_that_are_not_followed_by_readings_do_not_fit() -> None:
    kind, (_, labels_N) = kind_of(TASK), drawn(3)
    labels_N[1, 0, 4] = np.nan
    assert kind.fits_N(labels_N).tolist() == [True, False, True]
    assert kind.why_unfit(labels_N) is not None
    assert kind.targets(np.empty(0)).shape == (0, 6)


@pytest.mark.parametrize("options", [{}, {"horizon": 0}, {"horizon": 1.5}, {"horizon": "3"}])
def test_no_whole_horizon_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidConfiguration):
        kind_of(replace(TASK, kind=KindSpec.of("forecast", **options)))
    with pytest.raises(InvalidConfiguration):
        declared("forecast", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2,), (1, 2), (1, 8, 8)])
def test_windows_without_a_course_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidConfiguration, match="two or more readings over time"):
        kind_of(replace(TASK, window_shape=shape))


def test_an_option_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="is for forecast, and task"):
        declared("regression", [0, 1], horizon=3)
