"""The net of forecasts: it can be trained, and a window in other units gives the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fl_common.errors import InvalidConfiguration
from models.kinds.forecast import forecast
from models.nets import make_net
from models.nets.autoregressive import Autoregressive
from models.nets.choice import choose
from models.parts.lags import Lags, lags_of
from models.testing import check_net, readings
from tests.support import samples

TASK = replace(samples.TASK, labels=(), kind=forecast(3))


@pytest.mark.parametrize("length", [2, 8, 200])
def test_it_can_be_trained_with_dp_and_exported(length: int) -> None:
    check_net(Autoregressive, replace(TASK, window_shape=(length, 2)))


def test_features_are_the_same_in_any_unit() -> None:
    values_N = readings(TASK, 6)
    other_N = values_N * np.array([1e6, 1e-6], np.float32) + np.array([3e5, 2e-6], np.float32)
    found = [Lags(TASK)(torch.from_numpy(each)) for each in (values_N, other_N)]
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-3)
    assert found[0].abs().max() > 0.1


@pytest.mark.parametrize("value", [0.0, 1e-38, 3e38])
def test_a_window_without_any_change_has_features_of_zero(value: float) -> None:
    assert not Lags(TASK)(torch.full((1, 8, 2), value)).any()


def test_one_reading_far_off_has_a_bounded_weight() -> None:
    values_N = torch.zeros(1, 8, 2)
    values_N[0, 3] = 1e30
    assert Lags(TASK)(values_N).abs().max() <= 10.0


def test_lags_begin_one_by_one_and_stay_within_the_window() -> None:
    assert lags_of(2) == [1]
    assert lags_of(33) == [*range(1, 33)]
    assert max(lags_of(1000)) < 1000
    assert len(lags_of(1000)) < 70


def test_auto_chooses_it_for_forecasts_alone() -> None:
    assert choose(TASK, private=True).name == "autoregressive"
    assert choose(samples.TASK, private=True).name == "scale_free"
    with pytest.raises(InvalidConfiguration, match=r"task\.kind=classification"):
        make_net(Autoregressive, {}, samples.TASK)
