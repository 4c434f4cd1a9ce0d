"""The bound on epsilon against the paper, cases by hand, and mechanisms of known epsilon."""

import math

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration
from simulate.audit.bound import Guesses, epsilon_bound, p_value
from simulate.audit.guesses import GuessRule, best, findings

RULE = GuessRule((1.0, 0.5, 0.2), 0.95)


@pytest.mark.parametrize(
    ("guesses", "delta", "published"),
    [
        (Guesses(1000, 100, 75), 1e-4, 0.673),  # appendix D
        (Guesses(100_000, 1510, 1439), 1e-5, 2.675),  # section 7, cut after three digits
    ],
)
def test_the_bound_is_the_papers(guesses: Guesses, delta: float, published: float) -> None:
    assert epsilon_bound(guesses, delta, 0.05) == pytest.approx(published, abs=1e-3)


@pytest.mark.parametrize("made", [1, 10, 500])
def test_when_all_guesses_are_right_the_bound_is_a_root(made: int) -> None:
    accuracy = 0.05 ** (1 / made)  # the accuracy of randomised response that gets all right in 5 %
    expected = max(0.0, math.log(accuracy / (1 - accuracy)))
    assert epsilon_bound(Guesses(1000, made, made), 0.0, 0.05) == pytest.approx(expected, abs=1e-5)


def test_delta_is_paid_for_by_twice_the_canaries() -> None:
    accuracy = 1 / (1 + math.exp(-3.0))
    expected = accuracy + 2 * 7 * 1e-3 * (1 - accuracy)  # one guess: only W = 0 lies below it
    assert p_value(Guesses(7, 1, 1), 3.0, 1e-3) == pytest.approx(expected)


def test_more_right_guesses_less_delta_and_more_error_raise_the_bound() -> None:
    bounds = [epsilon_bound(Guesses(200, 100, right), 1e-5, 0.05) for right in range(60, 101, 10)]
    assert bounds == sorted(set(bounds))
    at = [epsilon_bound(Guesses(200, 100, 90), delta, 0.05) for delta in (1e-3, 1e-4, 0.0)]
    assert at == sorted(set(at))
    sure = [epsilon_bound(Guesses(200, 100, 90), 1e-5, error) for error in (0.001, 0.01, 0.1)]
    assert sure == sorted(set(sure))


def test_half_right_shows_nothing() -> None:
    assert epsilon_bound(Guesses(1000, 1000, 500), 0.0, 0.05) == 0.0
    assert epsilon_bound(Guesses(1000, 10, 0), 1e-5, 0.05) == 0.0


def randomised_response(
    epsilon: float, canaries: int, generator: np.random.Generator
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.bool_]], np.ndarray[tuple[int], np.dtype[np.float64]]
]:
    """Coins, and scores that tell each with probability e^epsilon / (1 + e^epsilon), no more."""
    coins_M = generator.random(canaries) < 0.5
    true_M = generator.random(canaries) < 1 / (1 + math.exp(-epsilon))
    said_M = np.where(true_M, coins_M, ~coins_M)
    return coins_M, said_M + 0.5 * generator.random(canaries)


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 3.0])
def test_the_best_bound_of_all_shares_is_too_high_in_at_most_one_of_twenty(epsilon: float) -> None:
    generator = np.random.default_rng(5)
    repetitions, wrong, near = 200, 0, 0
    for _ in range(repetitions):
        coins_M, scores_M = randomised_response(epsilon, 400, generator)
        bound = best(findings(scores_M, coins_M, RULE, 0.0)).bound
        wrong += bound > epsilon
        near += bound > 0.4 * epsilon - 0.01
    assert wrong <= 0.05 * repetitions
    assert near > 0.9 * repetitions  # a bound of 0 would be valid, and useless


def test_without_a_correction_the_best_of_many_shares_would_be_too_high_too_often() -> None:
    """Shows that the correction is at work: each share alone at 5 % errs, together, more."""
    generator = np.random.default_rng(6)
    alone = GuessRule((0.2,), 0.95)
    rules = [GuessRule((share,), 0.95) for share in np.linspace(0.05, 1.0, 20)]
    wrong = single = 0
    for _ in range(100):
        coins_M, scores_M = randomised_response(1.0, 400, generator)
        bounds = [best(findings(scores_M, coins_M, rule, 0.0)).bound for rule in rules]
        wrong += max(bounds) > 1.0
        single += best(findings(scores_M, coins_M, alone, 0.0)).bound > 1.0
    assert single <= 0.05 * 100 < wrong


def test_a_mechanism_that_tells_all_with_probability_delta_is_not_refuted() -> None:
    """(0, delta)-DP: with delta = 0.2 it fails outright in a fifth of all runs."""
    told = Guesses(10, 10, 10)
    assert epsilon_bound(told, 0.0, 0.05) > 1.0  # what one would conclude without the correction
    assert epsilon_bound(told, 0.2, 0.05) == 0.0


def test_guesses_are_the_top_and_the_bottom_of_the_ranking() -> None:
    scores_M = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0, np.nan, np.nan])
    coins_M = np.array([True, False, True, True, False, False, False, True])
    by_share = {f.share: f.guesses for f in findings(scores_M, coins_M, RULE, 0.0)}
    assert by_share[1.0] == Guesses(8, 8, 6)
    assert by_share[0.5] == Guesses(8, 4, 2)  # a score that is no number is a guess "excluded"


@pytest.mark.parametrize(
    ("shares", "confidence"),
    [((), 0.95), ((0.0,), 0.95), ((1.1,), 0.95), ((0.5,), 1.0), ((0.5,), 0.0)],
)
def test_a_rule_outside_its_range_is_refused(shares: tuple[float, ...], confidence: float) -> None:
    with pytest.raises(InvalidConfiguration, match="audit"):
        GuessRule(shares, confidence)


def test_the_ceiling_is_the_bound_of_an_attacker_who_is_never_wrong() -> None:
    coins_M = np.arange(100) % 2 == 0
    found = findings(coins_M.astype(np.float64), coins_M, RULE, 1e-5)
    assert best(found).bound == RULE.ceiling(100, 1e-5) > 2.0
