"""A hostile server reads a site's number of windows off the size of an update's noise."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fl_client.training import LocalTask, Trainer
from fl_client.training.prepared import net_for
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.privacy.unit import PlanningFacts
from fl_common.privacy.window_level import declared_windows
from fl_common.vocabulary import Floats, LocalUpdate, NetSpec, Windows
from models.nets import parameters_of
from tests.support import samples
from tests.support.local_training import own_net
from tests.support.trainers import TRAINERS

COUNTS = (0, 100, 101, 500)
MILLION = NetSpec("models.nets.mlp.Mlp", {"hidden": [1000, 960], "activation": "relu"})
PRIVACY = replace(samples.WINDOW_PRIVACY, sampling_rate=0.5, steps=2, expected_batch=50.0)


def update_of(trainer: Trainer, plan: RunPlan, windows: Windows) -> Floats:
    parameters = parameters_of(net_for(plan))
    task = LocalTask(plan, "anna", 1, parameters, windows, is_checked=True)
    (update,) = trainer.train([task])
    assert isinstance(update, LocalUpdate), update
    return np.concatenate([array.ravel() for array in update.delta.values()])


def silent(count: int) -> Windows:
    """Windows whose gradient is zero in a net without biases."""
    windows = samples.windows(count)
    return replace(windows, values=np.zeros_like(windows.values))


@TRAINERS
def test_the_same_sums_give_the_same_update_whatever_the_number_of_windows(
    make: Callable[[], Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = own_net(monkeypatch, lambda: nn.Linear(16, 3, bias=False))
    plan = samples.plan(PRIVACY, net=net)
    updates = [update_of(make(), plan, silent(count)) for count in COUNTS]
    assert all(np.array_equal(update, updates[0]) for update in updates)
    assert np.abs(updates[0]).max() > 0


@pytest.mark.slow
@TRAINERS
def test_the_spread_of_a_large_update_does_not_tell_100_windows_from_101_or_none(
    make: Callable[[], Trainer],
) -> None:
    # Epsilon is small, so the noise is most of the update. Over n entries its spread is known to
    # 1 / sqrt(2 n); six of that on two spreads is a false alarm once in 10^8. One window more in
    # the divisor would be 1 % of the spread, 14 times that.
    privacy = replace(PRIVACY, noise_multiplier=100.0)
    plan = samples.plan(privacy, net=MILLION, seed=None)
    spreads = [float(update_of(make(), plan, samples.windows(n)).std()) for n in COUNTS]
    entries = sum(array.size for array in parameters_of(net_for(plan)).values())
    assert max(spreads) / min(spreads) - 1 < 6 * np.sqrt(2) / np.sqrt(2 * entries)


def test_steps_that_are_drawn_alone_are_those_drawn_together() -> None:
    # Masks are drawn step by step, so that no plan makes a site hold steps times windows numbers.
    alone, together = (torch.Generator().manual_seed(3) for _ in "12")
    rows = torch.stack([torch.rand(1001, generator=alone) for _ in range(7)])
    assert torch.equal(rows, torch.rand((7, 1001), generator=together))


FACTS = PlanningFacts(
    rounds=1, batch_size=8, local_epochs=1, windows_per_reading=1, sites=3,
    typical=347, largest=409,
)  # fmt: skip


def test_the_declared_number_is_coarse_and_never_guessed() -> None:
    assert declared_windows(None, FACTS) == 350
    assert declared_windows(200, FACTS) == 200
    unknown = replace(FACTS, typical=None, largest=None)
    with pytest.raises(InvalidConfiguration, match=r"privacy\.site_windows=null: can't be derived"):
        declared_windows(None, unknown)
    with pytest.raises(InvalidConfiguration, match="whole number from 1"):
        declared_windows(0, FACTS)
