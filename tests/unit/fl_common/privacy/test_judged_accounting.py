"""Our epsilons against Google's dp-accounting, an independent implementation."""

import json
from typing import Any

import pytest

from fl_common.privacy.accounting import AccountantName, Spend, epsilon_of, epsilon_of_group
from tests.support.sources import ROOT

JUDGED = json.loads((ROOT / "tests" / "judges" / "dp_accounting.json").read_text(encoding="utf-8"))


NAMES: tuple[AccountantName, ...] = ("prv", "rdp")


def spend(row: dict[str, Any]) -> Spend:
    return Spend(row["noise_multiplier"], row["sampling_rate"], row["steps"])


@pytest.mark.parametrize("row", JUDGED["rows"], ids=str)
def test_rdp_agrees_with_the_judge(row: dict[str, Any]) -> None:
    """Both minimise over orders, but not over the same ones."""
    ours = epsilon_of([spend(row)], JUDGED["delta"], "rdp")
    assert ours == pytest.approx(row["rdp"], rel=0.005)


@pytest.mark.parametrize("row", JUDGED["rows"], ids=str)
def test_prv_agrees_with_the_judges_numerical_composition(row: dict[str, Any]) -> None:
    """Both bound the same exact value from above."""
    ours = epsilon_of([spend(row)], JUDGED["delta"], "prv")
    assert ours == pytest.approx(row["pld"], rel=0.001)


@pytest.mark.parametrize("row", JUDGED["groups"], ids=str)
def test_groups_of_windows_cost_what_the_judges_mixture_of_gaussians_costs(
    row: dict[str, Any],
) -> None:
    prv, rdp = (
        epsilon_of_group([spend(row)], row["windows"], row["delta"], name) for name in NAMES
    )
    assert prv == pytest.approx(row["pld"], rel=0.002)
    assert rdp >= row["pld"] * 0.999


@pytest.mark.parametrize("row", JUDGED["rows"], ids=str)
def test_rdp_is_a_bound_on_the_numerical_value(row: dict[str, Any]) -> None:
    assert epsilon_of([spend(row)], JUDGED["delta"], "rdp") >= row["pld"]
