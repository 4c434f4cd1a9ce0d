import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

from fl_client.training import LocalTask
from fl_client.training.prepared import PreparedCache, net_for, prepared
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.plan import RunPlan
from fl_common.vocabulary import NetSpec, Windows
from tests.support import samples

PLAN = samples.plan()


def task(windows: Windows, plan: RunPlan = PLAN) -> LocalTask:
    return LocalTask(plan, "anna", 1, {}, windows)


def test_inputs_are_the_front_ends_output_in_order() -> None:
    windows = samples.windows(2500)  # more than one chunk
    got = prepared(task(windows))
    torch.testing.assert_close(got.inputs, net_for(PLAN).front(torch.from_numpy(windows.values)))
    np.testing.assert_array_equal(got.targets.numpy(), windows.labels)
    assert not got.inputs.requires_grad


def test_windows_are_prepared_once_and_a_subset_by_itself() -> None:
    windows = samples.windows()
    whole = prepared(task(windows))
    assert prepared(task(replace(windows))) is whole
    rows = np.array([4, 2, 9])
    torch.testing.assert_close(prepared(task(windows.take(rows))).inputs, whole.inputs[rows])


def test_another_net_or_task_prepares_again() -> None:
    windows = samples.windows()
    whole = prepared(task(windows))
    other_task = samples.plan(task=replace(samples.TASK, scale=(2.0, 2.0)))
    torch.testing.assert_close(prepared(task(windows, other_task)).inputs, whole.inputs / 2)
    gru = samples.plan(net=NetSpec("models.nets.gru.Gru", {"hidden": 2, "readings": 1}))
    assert prepared(task(windows, gru)).inputs.shape == (32, 8, 2)


def test_prepared_windows_do_not_follow_later_changes_of_the_labels() -> None:
    windows = samples.windows()
    before = prepared(task(windows)).targets.clone()
    windows.labels[:] = 0
    assert torch.equal(prepared(task(windows)).targets, before)


def test_cache_drops_what_is_gone_and_what_is_too_much() -> None:
    one = task(samples.windows(seed=1))
    size = PreparedCache(10**9).get(one.plan, one.windows).nbytes
    cache = PreparedCache(2 * size)
    kept = [task(samples.windows(seed=seed)) for seed in range(3)]
    first, second, _ = (cache.get(asked.plan, asked.windows) for asked in kept)
    assert cache.nbytes == 2 * size
    assert cache.get(kept[1].plan, kept[1].windows) is second
    assert cache.get(kept[0].plan, kept[0].windows) is not first
    kept.clear()
    gc.collect()
    assert cache.nbytes == 0


def test_identity_used_again_is_noticed() -> None:
    cache = PreparedCache(10**9)
    for seed in range(50):
        windows = samples.windows(4, seed)
        expected = torch.from_numpy(windows.values).flatten(1)
        torch.testing.assert_close(cache.get(PLAN, windows).inputs, expected)
        del windows


def test_windows_that_are_not_finite_are_refused() -> None:
    windows = samples.windows()
    windows.values[[3, 7], 0, 0] = np.nan
    with pytest.raises(InvalidData, match="2 of 32 windows"):
        prepared(task(windows))


def test_net_is_built_once_for_all_runs_of_a_spec() -> None:
    assert net_for(PLAN) is net_for(samples.plan(run="another", rounds=9))
    with pytest.raises(InvalidConfiguration):
        net_for(samples.plan(net=NetSpec("models.nets.nothing.Net")))
