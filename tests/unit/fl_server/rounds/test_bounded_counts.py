"""What one site of several can make of a sum of counts."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from fl_server.rounds.bounded_counts import Counts, Part, bounded, cuts
from fl_server.rounds.roster import Member

EXACT = (Part(0.0), Part(0.0, math.inf))


def honest(sites: int, seed: int = 0, noise: float = 0.0) -> dict[int, Counts]:
    """Sites of 40 to 80 windows, of which some 0.85 are right, with a loss of about 0.4."""
    chance = np.random.default_rng(seed)
    given = {}
    for node in range(sites):
        windows = int(chance.integers(40, 80))
        right = chance.binomial(windows, np.clip(chance.normal(0.85, 0.05), 0, 1))
        exact = np.array([windows, right, windows * chance.normal(0.4, 0.08)])
        total, correct, loss = exact + noise * chance.standard_normal(3)
        given[node] = Counts(float(total), (float(correct), float(loss)))
    return given


def accuracy(given: Mapping[int, Counts]) -> float:
    return sum(one.parts[0] for one in given.values()) / sum(one.windows for one in given.values())


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_honest_counts_are_hardly_ever_cut(noise: float) -> None:
    parts = (Part(noise), Part(noise, math.inf if noise == 0 else 4.0))
    changed = 0
    for seed in range(300):
        given = honest(10, seed, noise)
        kept = bounded(given, noise, parts)
        changed += sum(kept[node] != one for node, one in given.items())
        assert abs(accuracy(kept) - accuracy(given)) < 0.01
    assert changed < 60  # of 3000; a deviate's tail, a third of it expected


@pytest.mark.parametrize(
    "lie",
    [
        Counts(1e7, (1e7, 0.0)),
        Counts(1e7, (0.0, 1e9)),
        Counts(60.0, (1e7, -1e9)),
        Counts(-1e7, (5e6, 0.0)),
        Counts(0.0, (1e9, 1e9)),
        Counts(60.0, (0.0, 0.0)),
        Counts(3.4e38, (3.4e38, 3.4e38)),
    ],
    ids=str,
)
@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_a_lie_of_one_site_of_ten_moves_the_share_by_a_few_hundredths(
    lie: Counts, noise: float
) -> None:
    parts = (Part(noise), Part(noise, 4.0))
    given = honest(9, 1, noise)
    kept = bounded({**given, 9: lie}, noise, parts)
    assert abs(accuracy(kept) - accuracy(given)) < 0.06
    (line,) = cuts({9: lie}, kept, [Member(9, "liar")])
    assert line.startswith("site liar: its counts are cut")


def test_counts_within_the_limits_are_not_changed_by_a_bit() -> None:
    given = {node: Counts(50.0 + node, (40.0 + node, 20.0)) for node in range(5)}
    assert bounded(given, 0.0, EXACT) == given


def test_of_two_sites_none_is_compared_but_impossible_counts_are_cut() -> None:
    given = {1: Counts(50.0, (40.0, 20.0)), 2: Counts(50.0, (90.0, -1.0))}
    assert bounded(given, 0.0, EXACT) == {1: given[1], 2: Counts(50.0, (50.0, 0.0))}


def test_nobody_answered() -> None:
    assert bounded({}, 1.0, EXACT) == {}
