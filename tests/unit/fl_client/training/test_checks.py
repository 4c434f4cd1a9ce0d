from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fl_client.training import LocalTask
from fl_client.training.checks import check_task
from fl_client.training.prepared import net_for
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import NetSpec, RefusalReason, Windows
from models.nets import parameters_of
from tests.support import samples

PRIVATE, PUBLIC = samples.WINDOW_PRIVACY, samples.PUBLIC


def task(
    privacy: PrivacyPlan = PUBLIC, windows: Windows | None = None, plan: RunPlan | None = None
) -> LocalTask:
    known = samples.plan(privacy)
    parameters = parameters_of(net_for(known))
    data = samples.windows() if windows is None else windows
    return LocalTask(plan or known, "anna", 3, parameters, data)


def refusal(asked: LocalTask, reason: RefusalReason) -> str:
    answer = check_task(asked)
    assert answer is not None
    assert (answer.site, answer.run, answer.round, answer.reason) == ("anna", "run", 3, reason)
    return answer.detail


@pytest.mark.parametrize("privacy", [PRIVATE, PUBLIC])
def test_task_that_fits_passes(privacy: PrivacyPlan) -> None:
    assert check_task(task(privacy)) is None


@pytest.mark.parametrize("count", [8, 7, 1])
def test_site_without_dp_trains_on_a_short_batch(count: int) -> None:
    assert check_task(task(windows=samples.windows().take(np.arange(count)))) is None


def test_site_without_dp_needs_one_window() -> None:
    asked = task(windows=samples.windows().take(np.arange(0)))
    assert "must be at least one to train on" in refusal(asked, RefusalReason.DATA)


@pytest.mark.parametrize("count", [4, 3, 0])
def test_with_dp_any_number_of_windows_will_do(count: int) -> None:
    asked = task(PRIVATE, samples.windows().take(np.arange(count)))
    assert check_task(asked) is None


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_that_the_task_does_not_have_are_refused(label: int) -> None:
    windows = samples.windows()
    windows.labels[5] = label
    assert "0..2" in refusal(task(windows=windows), RefusalReason.DATA)


@pytest.mark.parametrize("shape", [(32, 8, 3), (32, 16), (31, 8, 2)])
def test_windows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    windows = replace(samples.windows(), values=np.zeros(shape, np.float32))
    assert "(N, 8, 2)" in refusal(task(windows=windows), RefusalReason.DATA)


def test_delta_of_one_over_the_windows_is_refused() -> None:
    assert check_task(task(replace(PRIVATE, delta=1 / 33))) is None
    with pytest.raises(InvalidConfiguration, match=r"1/n = 0\.0312 for the n = 32 windows"):
        replace(PRIVATE, delta=1 / 32)


@pytest.mark.parametrize("change", ["missing", "extra", "shape", "nan"])
def test_parameters_that_are_not_the_nets_are_refused(change: str) -> None:
    parameters: dict[str, Any] = dict(task().parameters)
    match change:
        case "missing":
            del parameters["bias"]
        case "extra":
            parameters["more"] = parameters["bias"]
        case "shape":
            parameters["bias"] = parameters["bias"].reshape(3, 1)
        case _:
            parameters["bias"] = parameters["bias"] * np.float32("nan")
    refusal(replace(task(), parameters=parameters), RefusalReason.PLAN)


@pytest.mark.parametrize("target", ["models.nets.nothing.Net", "os.system", "models.nets.gru.Gru"])
def test_net_that_cannot_be_built_is_refused(target: str) -> None:
    refusal(task(plan=samples.plan(net=NetSpec(target))), RefusalReason.PLAN)
