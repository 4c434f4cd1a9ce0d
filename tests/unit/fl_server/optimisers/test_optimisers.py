import math
from collections.abc import Callable

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.vocabulary import Parameters
from fl_server.optimisers import ServerOptimiser
from fl_server.optimisers.adaptive import FedAdam, FedYogi
from fl_server.optimisers.averaging import FedAvg, FedAvgM

ADAPTIVE = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "tau": 1e-3}
OPTIMISERS: list[ServerOptimiser] = [
    FedAvg(learning_rate=0.5),
    FedAvgM(learning_rate=0.5, momentum=0.9),
    FedAdam(**ADAPTIVE),
    FedYogi(**ADAPTIVE),
]


def named(x: float) -> Parameters:
    return {"w": np.array([x], np.float32)}


def twice(optimiser: ServerOptimiser, first: float, second: float) -> list[float]:
    """Where two rounds with these changes lead from 1.0."""
    parameters = named(1.0)
    state = optimiser.initial(parameters)
    path = []
    for change in (first, second):
        parameters, state = optimiser.step(parameters, named(change), state)
        path.append(float(parameters["w"][0]))
    return path


# By hand, from 1.0 with changes 0.5 and then -0.2. For the adaptive ones v starts at 1e-6:
#   m = 0.05, then 0.9 * 0.05 - 0.1 * 0.2 = 0.025
#   Adam: v = 0.99e-6 + 0.0025 = 0.00250099,   then 0.99 * 0.00250099 + 0.0004 = 0.0028759801
#   Yogi: v = 1e-6 + 0.01 * 0.25 = 0.002501,   then 0.002501 + 0.01 * 0.04     = 0.002901
@pytest.mark.parametrize(
    ("optimiser", "path"),
    [
        (OPTIMISERS[0], [1.25, 1.15]),
        (OPTIMISERS[1], [1.25, 1.375]),  # v = 0.5, then 0.45 - 0.2 = 0.25
        (
            OPTIMISERS[2],
            [
                1 + 0.005 / (math.sqrt(0.00250099) + 0.001),
                1
                + 0.005 / (math.sqrt(0.00250099) + 0.001)
                + 0.0025 / (math.sqrt(0.0028759801) + 0.001),
            ],
        ),
        (
            OPTIMISERS[3],
            [
                1 + 0.005 / (math.sqrt(0.002501) + 0.001),
                1 + 0.005 / (math.sqrt(0.002501) + 0.001) + 0.0025 / (math.sqrt(0.002901) + 0.001),
            ],
        ),
    ],
    ids=repr,
)
def test_two_rounds_lead_where_the_paper_says(
    optimiser: ServerOptimiser, path: list[float]
) -> None:
    np.testing.assert_allclose(twice(optimiser, 0.5, -0.2), path, rtol=1e-6)


def test_yogi_shrinks_its_second_moment_when_changes_become_small() -> None:
    _, state = FedYogi(**ADAPTIVE).step(
        named(0.0), named(0.5), {"first_moment": named(0.0), "second_moment": named(1.0)}
    )
    np.testing.assert_allclose(state["second_moment"]["w"], [1 - 0.01 * 0.25], rtol=1e-6)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=repr)
def test_a_step_is_float32_keeps_shapes_and_leaves_its_arguments(
    optimiser: ServerOptimiser,
) -> None:
    parameters = {"w": np.ones((2, 3), np.float32), "b": np.array(2.0, np.float32)}
    delta = {"w": np.full((2, 3), 0.1, np.float32), "b": np.array(-0.1, np.float32)}
    state = optimiser.initial(parameters)
    before = [{n: x.copy() for n, x in p.items()} for p in (parameters, delta, *state.values())]
    moved, after = optimiser.step(parameters, delta, state)
    assert after.keys() == state.keys()
    for part in (moved, *after.values()):
        assert all(isinstance(x, np.ndarray) and x.dtype == np.float32 for x in part.values())
        assert {n: x.shape for n, x in part.items()} == {"w": (2, 3), "b": ()}
    for kept, now in zip(before, (parameters, delta, *state.values()), strict=True):
        assert all(np.array_equal(kept[name], now[name]) for name in kept)
    assert np.all(moved["w"] > 1)
    assert moved["b"] < 2


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=repr)
def test_a_step_that_overflows_fails_the_run_and_warns_of_nothing(
    optimiser: ServerOptimiser, recwarn: pytest.WarningsRecorder
) -> None:
    huge = {"w": np.full(1, 3e38, np.float32)}
    state = optimiser.initial(huge)
    with pytest.raises(RunFailed, match=r"overflowed.*lower strategy"):
        optimiser.step(*optimiser.step(huge, huge, state)[:1], huge, state)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: FedAvg(0.0), "learning_rate=0.0"),
        (lambda: FedAvg(math.inf), "learning_rate=inf"),
        (lambda: FedAvg("fast"), "learning_rate=fast"),  # type: ignore[arg-type]
        (lambda: FedAvgM(1.0, 1.0), "momentum=1.0"),
        (lambda: FedAvgM(1.0, math.nan), "momentum=nan"),
        (lambda: FedAdam(**{**ADAPTIVE, "beta1": -0.1}), "beta1=-0.1"),
        (lambda: FedAdam(**{**ADAPTIVE, "beta2": 1.0}), "beta2=1.0"),
        (lambda: FedYogi(**{**ADAPTIVE, "tau": 0.0}), "tau=0.0"),
        (lambda: FedYogi(**{**ADAPTIVE, "tau": 1e-30}), "tau=1e-30"),
    ],
)
def test_a_value_outside_its_range_is_refused(build: Callable[[], object], name: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"strategy.optimiser.{name}: must"):
        build()
