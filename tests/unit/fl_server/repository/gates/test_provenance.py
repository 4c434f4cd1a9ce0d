"""Gates on a model's description: the privacy that it has spent, and its licence."""

import math
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration
from fl_server.repository.gates.provenance import PrivacyRule, licence, privacy

SPENT: dict[str, Any] = {
    "unit": "window", "epsilon": 3.0, "epsilon_limit": 8.0, "delta": 1e-5,
    "noise_generator": "operating system",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "passed", "words"),
    [
        ({}, True, "epsilon 3"),
        ({"noise_generator": "seeded"}, False, "its epsilon protects nobody"),
        ({"noise_generator": None}, False, "seeded"),
        ({"epsilon": 8.5}, False, "of 8"),
        ({"epsilon": math.nan}, False, "nan"),
        ({"epsilon": 6.0, "epsilon_limit": 100.0}, False, "of 5"),
        ({"epsilon": None}, False, "not stated"),
        ({"unit": "none"}, False, "without differential privacy"),
        ({"delta": 0.5}, False, "delta is 0.5, and must be above 0 and at most 0.001"),
        ({"delta": None}, False, "delta is None"),
        (
            {"delta": 1e-4, "expected_batch": 2e3, "sampling_rate": 0.1},
            False,
            "one whole window of",
        ),
        ({"delta": 1e-4, "unit": "site", "population": 10_000}, False, "one whole site of 10000"),
        ({"delta": 1e-4, "unit": "site", "population": 9000}, True, "epsilon 3"),
        (
            {"epsilon_held_out": 1.5, "epsilon_held_out_limit": 2.0},
            True,
            "and 1.5 for one that was",
        ),
        ({"epsilon_held_out": 2.5, "epsilon_held_out_limit": 2.0}, False, "evaluations spent"),
        ({"epsilon_held_out": 11.0, "epsilon_held_out_limit": 20.0}, False, "evaluations spent"),
        ({"epsilon_held_out": "much"}, False, "evaluations spent"),
    ],
)
def test_privacy_is_known_secure_and_below_the_limit(
    changes: dict[str, object], passed: bool, words: str
) -> None:
    limit = 5.0 if changes.get("epsilon_limit") else 10.0
    rule = PrivacyRule(epsilon=limit, delta=1e-3, unit="window", held_out=10.0)
    finding = privacy({**SPENT, **changes}, rule)
    assert finding.passed is passed, finding.detail
    assert words in finding.detail
    assert not privacy(None, rule).passed


NO_DP = {"unit": "none"}
TWICE = {**SPENT, "init": {"privacy": {**SPENT, "init": {"privacy": SPENT}}}}


@pytest.mark.parametrize(
    ("init", "passed", "words"),
    [
        ({"privacy": SPENT}, True, "an epsilon of 6 at delta 2e-05, of 10 at 0.001"),
        ({"privacy": {**SPENT, "init": {"privacy": SPENT}}}, True, "an epsilon of 9"),
        ({"privacy": TWICE}, False, "an epsilon of 12"),
        ({"privacy": {**SPENT, "delta": 9.95e-4}}, False, "at delta 0.001005, of 10 at 0.001"),
        ({"privacy": NO_DP}, False, "an earlier model: it was trained without differential"),
        ({"privacy": {**SPENT, "init": {"privacy": NO_DP}}}, False, "without differential"),
        ({"privacy": {**SPENT, "noise_generator": "seeded"}}, False, "was seeded"),
        ({"privacy": {**SPENT, "epsilon": None}}, False, "not stated"),
        ({"privacy": None}, False, "nothing is said"),
        ({}, False, "nothing is said"),
        ("a model", False, "nothing is said"),
        ({"privacy": {"epsilon": 1.0}}, False, "nothing is said"),
    ],
)
def test_privacy_counts_what_a_model_began_with(init: object, passed: bool, words: str) -> None:
    rule = PrivacyRule(epsilon=10.0, delta=1e-3, unit="window", held_out=10.0)
    finding = privacy({**SPENT, "init": init}, rule)
    assert finding.passed is passed, finding.detail
    assert words in finding.detail


def test_privacy_of_a_chain_without_end_is_unknown() -> None:
    rule = PrivacyRule(epsilon=1e9, delta=0.9, unit="window", held_out=10.0)
    chain: dict[str, Any] = SPENT
    for _ in range(5000):
        chain = {**SPENT, "init": {"privacy": chain}}
    assert "nothing is said" in privacy(chain, rule).detail


@pytest.mark.parametrize(("unit", "passed"), [("window", False), ("reading", True), ("day", True)])
def test_privacy_is_for_a_unit_that_is_strong_enough(unit: str, passed: bool) -> None:
    rule = PrivacyRule(epsilon=10.0, delta=1e-3, unit="reading", held_out=10.0)
    finding = privacy({**SPENT, "unit": unit}, rule)
    assert finding.passed is passed
    assert passed or finding.detail == "it protects each window, and gates.unit_at_least is reading"


@pytest.mark.parametrize(
    "wrong", [{"epsilon": 0.0}, {"delta": 1.0}, {"unit": "day"}, {"held_out": "much"}]
)
def test_limits_outside_their_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration, match=r"gates\."):
        PrivacyRule(**{"epsilon": 10.0, "delta": 1e-3, "unit": "window", "held_out": 10.0, **wrong})


def test_licence_is_one_of_those_allowed() -> None:
    assert licence("MIT", ["MIT"]).passed
    assert not licence("GPL-3.0-only", ["MIT"]).passed


def chained(*ledgers: bool, **changes: Any) -> dict[str, Any]:
    """A model that began with one that began with one ...; ``ledgers`` says what each shares."""
    chain: dict[str, Any] = {**SPENT, **changes}
    for shared in ledgers:
        chain = {**SPENT, "init": {"privacy": chain, "ledgers": shared}}
    return chain


@pytest.mark.parametrize(
    ("chain", "epsilon"),
    [
        (chained(True, True, True, True), SPENT["epsilon_limit"]),
        (chained(False), 2 * SPENT["epsilon"]),
        (chained(True, False, True), 2 * SPENT["epsilon_limit"]),
        (chained(True, delta=SPENT["delta"] / 10), 2 * SPENT["epsilon"]),
        (chained(True, epsilon_limit=SPENT["epsilon_limit"] + 1), SPENT["epsilon_limit"] + 1),
    ],
)
def test_runs_whose_sites_share_a_ledger_are_within_its_limit_together(
    chain: dict[str, Any], epsilon: float
) -> None:
    rule = PrivacyRule(epsilon, 1e-3, "window", 100.0)
    assert privacy(chain, rule).passed
    assert f"an epsilon of {epsilon:.3g} " in privacy(chain, rule).detail
    assert not privacy(chain, PrivacyRule(epsilon * 0.99, 1e-3, "window", 100.0)).passed


def test_only_true_says_that_a_ledger_is_shared() -> None:
    rule = PrivacyRule(SPENT["epsilon"] * 1.5, 1e-3, "window", 100.0)
    for said in ("yes", 1, None, "true"):
        chain = {**SPENT, "init": {"privacy": SPENT, "ledgers": said}}
        assert not privacy(chain, rule).passed
