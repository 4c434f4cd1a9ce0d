"""What one site of a round can claim: weights and norms are compared with those of the others."""

import math
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation, Site, any_plan
from fl_client.training.opacus import OpacusTrainer
from fl_common import params
from fl_common.compression.quantisation import Compression
from fl_common.plan import Instruction, RunPlan
from fl_common.vocabulary import LocalUpdate, Parameters
from fl_server.aggregation import BadUpdate
from fl_server.aggregation.mean import WeightedMean
from fl_server.rounds.outliers import cut, upper_quartile
from fl_server.rounds.plan_bound import largest_norm
from fl_server.rounds.screening import HELD_BYTES, Screen
from models.nets import build_net, parameters_of
from tests.support.samples import PUBLIC, WINDOW_PRIVACY, plan, windows

GLOBAL = {"w": np.zeros(4, np.float32)}


def update(site: int, norm: float, weight: float = 1.0) -> LocalUpdate:
    delta = {"w": np.array([0, norm, 0, 0], np.float32)}
    return LocalUpdate(f"site-{site}", "run", 1, delta, weight)


def screened(
    updates: Sequence[LocalUpdate], run_plan: RunPlan, cuts: bool = True, longest: float = math.inf
) -> Screen:
    """A screen that has seen ``updates``; its ``passed`` are what came out, in order."""
    screen = Screen(run_plan, GLOBAL, cuts, longest)
    passed = [one for new in updates for one in screen.admit(new)]
    passed += screen.rest()
    screen.passed = passed  # type: ignore[attr-defined]
    return screen


def influences(screen: Screen) -> list[float]:
    """Weight times norm of what passed."""
    passed: list[LocalUpdate] = screen.passed  # type: ignore[attr-defined]
    return [one.weight * float(np.linalg.norm(one.delta["w"])) for one in passed]


@given(
    st.lists(st.floats(0, 1e6), min_size=8, max_size=30),
    st.lists(st.floats(0, 3e38), min_size=1, max_size=2),
)
def test_a_few_values_can_not_raise_the_quartile_above_the_others(
    honest: list[float], hostile: list[float]
) -> None:
    quartile = upper_quartile([*hostile, *honest])
    assert quartile <= max(honest)
    assert all(cut(value, quartile) <= 2 * quartile for value in hostile)


def test_values_within_twice_the_quartile_are_not_changed_by_a_bit() -> None:
    updates = [update(site, norm) for site, norm in enumerate((1.0, 0.3, 1.9, 1.0, 0.0))]
    screen = screened(updates, plan(WINDOW_PRIVACY))
    assert screen.passed == updates  # type: ignore[attr-defined]
    assert screen.notes == []


@pytest.mark.parametrize("norm", [2.1, 10.0, 3.4e38])
@pytest.mark.parametrize("place", [0, 5, 9])
def test_a_long_update_counts_as_a_typical_one_wherever_it_arrives(norm: float, place: int) -> None:
    updates = [update(site, 1.0) for site in range(10)]
    updates[place] = update(place, norm)
    screen = screened(updates, plan(WINDOW_PRIVACY))
    assert influences(screen) == pytest.approx([1.0] * 10)
    (note,) = screen.notes
    assert note.startswith(f"update of site site-{place}: its norm {norm:.4g} is cut to 1")


def test_a_weight_that_the_plan_does_not_give_is_refused() -> None:
    for weight in (2.0**53, 0.5, math.nan):
        with pytest.raises(BadUpdate, match=r"its weight .* not 1 as the plan says"):
            screened([update(1, 1.0, weight)], plan(WINDOW_PRIVACY))


def test_a_heavy_weight_counts_as_a_typical_one() -> None:
    updates = [update(site, 1.0, 50.0 + site) for site in range(9)]
    screen = screened([update(9, 1.0, 2.0**53), *updates], plan(PUBLIC))
    assert influences(screen) == [56.0, *range(50, 59)]
    assert "its weight 9.007e+15 counts as 56" in screen.notes[0]


def test_weight_and_norm_together_buy_no_more_than_one_of_them() -> None:
    updates = [update(site, 1.0, 50.0) for site in range(9)]
    screen = screened([*updates, update(9, 1.9, 95.0)], plan(PUBLIC))
    assert influences(screen) == pytest.approx([50.0] * 10)


def test_fewer_than_three_updates_are_not_compared() -> None:
    updates = [update(1, 1.0), update(2, 1e6)]
    assert screened(updates, plan(WINDOW_PRIVACY)).passed == updates  # type: ignore[attr-defined]


def test_whoever_turns_it_off_gets_every_finite_update_as_it_is() -> None:
    updates = [update(1, 1.0), update(2, 1.0), update(3, 1e6), update(4, 1.0)]
    assert screened(updates, plan(PUBLIC), cuts=False).passed == updates  # type: ignore[attr-defined]
    with pytest.raises(BadUpdate, match="not finite"):
        screened([update(5, math.inf)], plan(PUBLIC), cuts=False)


def test_an_update_longer_than_the_plan_allows_does_not_count_whoever_else_is_there() -> None:
    with pytest.raises(BadUpdate, match=r"its norm 1.1 is above 1, the most that the plan allows"):
        screened([update(1, 1.1)], plan(WINDOW_PRIVACY), longest=1.0)


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"momentum": 0.9},
        {"optimizer": "adam"},
        {"proximal_mu": 0.5, "weight_decay": 0.1},
        {"learning_rate": 2.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("compression", [None, Compression(1.0), Compression(0.1)], ids=str)
def test_an_honest_update_is_within_what_its_plan_allows(
    tmp_path: Path, training: dict[str, Any], compression: Compression | None
) -> None:
    run_plan = plan(WINDOW_PRIVACY, training, compression=compression)
    parameters = parameters_of(build_net(run_plan.net, run_plan.task, 0))
    ledger = Ledger(tmp_path / "ledger.sqlite", time.time, "site")
    participation = Participation(ledger, OpacusTrainer())
    data = windows(64)
    site = Site("site", 0, lambda: data, lambda: data, any_plan)
    for round_ in (1, 2, 3):
        instruction = Instruction(run_plan, round_, parameters)
        (answer,) = participation.answer([(site, instruction)])
        assert isinstance(answer, LocalUpdate)
        assert params.norm(answer.delta) < largest_norm(instruction) < 1e4


def test_without_dp_only_what_dwarfs_the_parameters_is_too_long() -> None:
    parameters = {"w": np.full(4, 50.0, np.float32)}
    assert largest_norm(Instruction(plan(PUBLIC), 1, parameters)) == 1e6 * 101


@pytest.mark.slow
def test_fifty_updates_of_20_megabytes_are_screened_below_200() -> None:
    parameters: Parameters = {"w": np.zeros((5, 2**20), np.float32)}
    screen, fold = (
        Screen(plan(WINDOW_PRIVACY), parameters, cuts=True, longest=math.inf),
        WeightedMean().start(parameters),
    )
    tracemalloc.start()
    try:
        for site in range(50):
            delta = {"w": np.full((5, 2**20), 1e6 if site == 40 else 1.0, np.float32)}
            for one in screen.admit(LocalUpdate(f"site-{site}", "run", 1, delta, 1.0)):
                fold.add(one)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fold.count == 50
    assert [note.split(":")[0] for note in screen.notes] == ["update of site site-40"]
    assert HELD_BYTES < peak < 200 * 2**20
