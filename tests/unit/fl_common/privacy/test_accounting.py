import itertools
import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import (
    AccountantName,
    Spend,
    calibrate_noise,
    check_delta,
    epsilon_of,
)
from fl_common.privacy.rdp import ORDERS, rdp_of_step
from fl_common.privacy.window_level import WindowPrivacyPlan
from tests.support.samples import WINDOW_PRIVACY
from tests.support.sources import ROOT

MNIST = 60_000


def plan(noise: float, rate: float, steps: int) -> WindowPrivacyPlan:
    return replace(WINDOW_PRIVACY, noise_multiplier=noise, sampling_rate=rate, steps=steps)


def epsilon_after(
    rounds: int, privacy: WindowPrivacyPlan, delta: float, name: AccountantName
) -> float:
    return epsilon_of([privacy.spend_per_round] * rounds, delta, name)


def classic_epsilon(rounds: int, privacy: WindowPrivacyPlan, delta: float) -> float:
    """Mironov (2017), proposition 3: the conversion that Opacus' README was made with."""
    rdp = rdp_of_step(privacy.noise_multiplier, privacy.sampling_rate) * privacy.steps
    return float((rounds * rdp - math.log(delta) / (ORDERS - 1)).min())


AS_PRINTED, AS_HEADED = (1 / 240, 240), (256 / 60_000, 235)
OPACUS_MNIST = [
    (1.3, 15, AS_PRINTED, 1.18, 0.94),
    (1.3, 15, AS_HEADED, 1.19, 0.96),
    (1.1, 60, AS_HEADED, 3.01, 2.60),
    (0.7, 45, AS_HEADED, 7.10, 6.33),
]
"""Of Opacus' examples/mnist_README.md: sigma, epochs, rate and steps of an epoch, epsilon at delta
1e-5, and the epsilon that the tighter conversion gives for the same. Its output has 240 steps an
epoch; the epsilons of its headings are those of batches of 256."""


@pytest.mark.parametrize(("sigma", "epochs", "epoch", "published", "tighter"), OPACUS_MNIST)
def test_opacus_mnist_example_costs_what_its_readme_says(
    sigma: float, epochs: int, epoch: tuple[float, int], published: float, tighter: float
) -> None:
    an_epoch_a_round = plan(sigma, *epoch)
    assert classic_epsilon(epochs, an_epoch_a_round, 1e-5) == pytest.approx(published, abs=0.01)
    assert epsilon_after(epochs, an_epoch_a_round, 1e-5, "rdp") == pytest.approx(tighter, abs=0.005)


PUBLISHED = [
    # TensorFlow Privacy, analysis/compute_dp_sgd_privacy_test.py: n, batch, noise, epochs, delta.
    (plan(1.3, 150 / MNIST, 400), 15, 1e-5, 0.7242234026109595),
    (plan(1.0, 100 / 100_000, 1000), 30, 1e-7, 1.4154988495444842),
    # Opacus, tests/accountants_test.py: 90 epochs at a sampling rate of 0.04.
    (plan(1.5, 0.04, 25), 90, 1e-5, 7.32911117143),
]


@pytest.mark.parametrize(("privacy", "rounds", "delta", "published"), PUBLISHED)
def test_published_epsilons_are_met_to_eight_digits(
    privacy: WindowPrivacyPlan, rounds: int, delta: float, published: float
) -> None:
    assert epsilon_after(rounds, privacy, delta, "rdp") == pytest.approx(published, rel=1e-8)


def test_prv_lies_between_the_truth_and_rdp() -> None:
    privacy = plan(1.5, 0.04, 250)
    prv = epsilon_after(9, privacy, 1e-5, "prv")
    assert 6.59 < prv < epsilon_after(9, privacy, 1e-5, "rdp")  # 6.59: central limit, Opacus' test


def test_prv_of_one_gaussian_is_the_analytic_gaussian_mechanism() -> None:
    sigma, delta = 2.0, 1e-5
    epsilon = epsilon_of([Spend(sigma, 1.0, 1)], delta, "prv")

    def delta_at(e: float) -> float:  # Balle and Wang (2018), theorem 8
        def phi(x: float) -> float:
            return math.erfc(-x / math.sqrt(2)) / 2

        return phi(0.5 / sigma - e * sigma) - math.exp(e) * phi(-0.5 / sigma - e * sigma)

    assert delta_at(epsilon) <= delta < delta_at(epsilon - 0.03)


@pytest.mark.parametrize("name", ["rdp", "prv"])
def test_rounds_compose_to_one_long_event_in_any_order(name: AccountantName) -> None:
    one, other = Spend(1.0, 0.02, 20), Spend(2.0, 0.1, 10)
    once = epsilon_of([replace(one, steps=60), replace(other, steps=20)], 1e-5, name)
    assert epsilon_of([one, other, one, other, one], 1e-5, name) == once
    assert epsilon_of([], 1e-5, name) == 0.0


def test_epsilon_of_a_round_is_not_the_epsilon_of_a_run() -> None:
    """A fresh accountant each round prints the first number for ever; the truth grows."""
    privacy = plan(1.0, 0.05, 20)
    curve = [epsilon_after(rounds, privacy, 1e-5, "rdp") for rounds in range(1, 101)]
    assert all(later > earlier for earlier, later in itertools.pairwise(curve))
    assert curve[99] > 3 * curve[0]
    assert curve[99] < 100 * curve[0]


def test_overflow_of_a_hopeless_plan_is_a_large_epsilon_not_a_crash() -> None:
    assert epsilon_of([Spend(0.1, 1024 / 1e8, 100_000)], 1e-7, "rdp") > 100


@pytest.mark.parametrize(
    ("epsilon", "rate", "steps", "name"),
    [
        (8.0, 0.05, 1000, "rdp"),
        (0.3, 0.2, 500, "rdp"),
        (1e4, 0.1, 10, "rdp"),
        (4.0, 0.1, 50, "prv"),
    ],
)
def test_calibrated_noise_meets_the_limit_and_wastes_nothing(
    epsilon: float, rate: float, steps: int, name: AccountantName
) -> None:
    noise = calibrate_noise(epsilon, 1e-5, rate, steps, name)
    spent = epsilon_of([Spend(noise, rate, steps)], 1e-5, name)
    assert 0.999 * epsilon < spent <= epsilon
    assert epsilon_of([Spend(noise * 0.999, rate, steps)], 1e-5, name) > epsilon


def test_calibrated_noise_agrees_with_opacus_published_constants() -> None:
    """Opacus, tests/accountants_test.py: 1.416 for 90 epochs and 1.3562 for 2000 steps."""
    assert calibrate_noise(8, 1e-5, 0.04, 2250, "rdp") == pytest.approx(1.416, rel=2e-3)
    assert calibrate_noise(8, 1e-5, 0.04, 2000, "rdp") == pytest.approx(1.3562, rel=2e-3)


def test_limit_that_no_noise_meets_is_said() -> None:
    with pytest.raises(InvalidConfiguration, match=r"epsilon=0.05: can't be kept .* up to 10000"):
        calibrate_noise(0.05, 1e-5, 1.0, 10**6, "rdp")


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("epsilon_limit", value) for value in (0.0, -1.0, INF, NAN)],
        *[("delta", value) for value in (0.0, -1e-5, 1.0, NAN)],
        *[("noise_multiplier", value) for value in (0.0, -1.0, INF, NAN)],
        *[("sampling_rate", value) for value in (0.0, -0.1, 1.1, NAN)],
        *[("clip_norm", value) for value in (0.0, -1.0, INF, NAN)],
        ("steps", 0),
        ("accountant", "gdp"),
        ("weights", "examples"),
    ],
)
def test_plan_with_a_bad_value_names_value_rule_and_remedy(field: str, value: Any) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        replace(WINDOW_PRIVACY, **{field: value})
    message = str(caught.value)
    assert f"privacy.{'epsilon' if field == 'epsilon_limit' else field}={value}" in message
    assert "must" in message
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(("delta", "windows", "good"), [(1e-3, 999, True), (1e-3, 1000, False)])
def test_delta_must_lie_below_one_over_n(delta: float, windows: int, good: bool) -> None:
    if good:
        check_delta(delta, windows)
    else:
        with pytest.raises(InvalidConfiguration, match="1000 windows"):
            check_delta(delta, windows)


def test_accounting_by_rdp_needs_no_opacus_and_no_torch() -> None:
    code = """
import sys
from fl_common.privacy.accounting import calibrate_noise
calibrate_noise(8.0, 1e-5, 0.05, 1000, "rdp")
sys.exit(bool({"opacus", "torch"} & sys.modules.keys()))
"""

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
