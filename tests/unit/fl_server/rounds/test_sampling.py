import tracemalloc
from collections import Counter

import pytest

from fl_common.errors import InvalidConfiguration
from fl_server.rounds.sampling import ClientSampling, PoissonSampling
from tests.support.chance import SIGMAS


class LengthOnly:
    """Sites that must not be looked at."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length


def test_a_choice_repeats_for_one_seed_and_round_and_differs_for_others() -> None:
    sampling = ClientSampling(clients_per_round=10, fraction=1.0, minimum=1)
    choices = {
        (seed, round_): tuple(sampling.choose(range(1000), round_, seed))
        for seed in (-1, 0, 1)
        for round_ in (1, 2, 3)
    }
    assert len(set(choices.values())) == 9
    again = ClientSampling(clients_per_round=10, fraction=0.5, minimum=2)
    assert tuple(again.choose(LengthOnly(1000), 2, 1)) == choices[1, 2]


def test_a_choice_is_the_same_in_every_version() -> None:
    sampling = ClientSampling(clients_per_round=3, fraction=1.0, minimum=1)
    assert sampling.choose(range(1_000_000), 1, 0) == [65963, 384789, 935507]


def test_without_a_seed_choices_differ() -> None:
    sampling = ClientSampling(clients_per_round=10, fraction=1.0, minimum=1)
    assert sampling.choose(range(10**9), 1, None) != sampling.choose(range(10**9), 1, None)


@pytest.mark.parametrize("count", [1, 7, 999, 1000])
def test_a_choice_is_sorted_distinct_and_within_the_sites(count: int) -> None:
    chosen = ClientSampling(count, 1.0, 1).choose(range(1000), 1, 0)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == count
    assert set(chosen) <= set(range(1000))
    assert all(type(position) is int for position in chosen)


@pytest.mark.parametrize(
    ("fraction", "sites", "count"),
    [(1.0, 10, 10), (0.5, 10, 5), (0.29, 100, 29), (0.07, 100, 7), (0.25, 10, 2), (0.01, 10, 1)],
)
def test_a_fraction_is_rounded_down_to_at_least_one(
    fraction: float, sites: int, count: int
) -> None:
    assert len(ClientSampling(None, fraction, 1).choose(range(sites), 1, 0)) == count


def test_every_site_is_as_likely_as_any_other() -> None:
    sampling = ClientSampling(3, 1.0, 1)
    rounds = 4000
    taken = Counter(p for r in range(rounds) for p in sampling.choose(range(10), r, 5))
    expected = 0.3 * rounds
    bound = SIGMAS * (rounds * 0.3 * 0.7) ** 0.5
    assert all(abs(taken[position] - expected) < bound for position in range(10))


def test_the_cost_is_of_the_chosen_and_not_of_the_population() -> None:
    sampling = ClientSampling(clients_per_round=20, fraction=1.0, minimum=1)
    tracemalloc.start()
    try:
        chosen = sampling.choose(LengthOnly(10**15), 1, 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(chosen) == 20
    assert peak < 100_000


@pytest.mark.parametrize(
    ("sampling", "sites", "message"),
    [
        (ClientSampling(11, 1.0, 1), 10, r"clients_per_round=11: is more than there are sites"),
        (ClientSampling(None, 1.0, 1), 0, r"clients_per_round=1: is more than there are sites"),
        (ClientSampling(3, 1.0, 4), 10, r"strategy\.minimum_sites=4: is more than a round samples"),
        (ClientSampling(None, 0.2, 3), 10, r"minimum_sites=3: .*2 of 10 sites"),
    ],
)
def test_a_choice_that_can_not_be_made_is_refused(
    sampling: ClientSampling, sites: int, message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        sampling.choose(range(sites), 1, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 1.0, 1), "clients_per_round=0: must be a whole number"),
        ((2.5, 1.0, 1), "clients_per_round=2.5: must be a whole number"),
        ((None, 0.0, 1), r"strategy.fraction=0.0: must lie in \(0, 1\]"),
        ((None, 1.5, 1), r"strategy.fraction=1.5: must lie"),
        ((None, float("nan"), 1), "strategy.fraction=nan: must lie"),
        ((None, "half", 1), "strategy.fraction=half: must lie"),
        ((None, 1.0, 0), "strategy.minimum_sites=0: must be a whole number"),
        ((None, 1.0, True), "strategy.minimum_sites=True: must be a whole number"),
    ],
)
def test_a_value_outside_its_range_is_refused(
    values: tuple[int | None, float, int], message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        ClientSampling(*values)


def test_poisson_sampling_draws_each_site_by_itself() -> None:
    sampling, rounds, sites, rate = PoissonSampling(0.3, 1), 4000, 10, 0.3
    choices = [sampling.choose(LengthOnly(sites), round_, 5) for round_ in range(rounds)]
    taken = Counter(position for chosen in choices for position in chosen)
    bound = SIGMAS * (rounds * rate * (1 - rate)) ** 0.5
    assert all(abs(taken[site] - rate * rounds) < bound for site in range(sites))
    both = sum(0 in chosen and 1 in chosen for chosen in choices)  # independent: 0.3 times 0.3
    assert abs(both - rate**2 * rounds) < SIGMAS * (rounds * rate**2 * (1 - rate**2)) ** 0.5
    empty = sum(not chosen for chosen in choices)
    assert abs(empty - 0.7**10 * rounds) < 5 * (rounds * 0.7**10) ** 0.5


def test_poisson_sampling_repeats_and_costs_nothing_for_those_not_drawn() -> None:
    sampling = PoissonSampling(1e-14, 1)
    chosen = sampling.choose(LengthOnly(10**15), 1, 0)
    assert chosen == PoissonSampling(1e-14, 2).choose(LengthOnly(10**15), 1, 0)
    assert chosen != sampling.choose(LengthOnly(10**15), 2, 0)
    assert PoissonSampling(1.0, 1).choose(range(7), 1, 0) == list(range(7))
    assert sampling.choose([], 1, 0) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.0, 1), r"privacy.participation=0.0: must lie in \(0, 1\]"),
        ((1.5, 1), "privacy.participation=1.5"),
        ((float("nan"), 1), "privacy.participation=nan"),
        ((0.5, 0), "strategy.minimum_sites=0"),
    ],
)
def test_a_poisson_value_outside_its_range_is_refused(
    values: tuple[float, int], message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        PoissonSampling(*values)
