"""Laws of the partition rules, for any labels and any number of sites."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Integers
from simulate.world.partition import Dirichlet, Iid, Rule, Shards

labels = st.lists(st.integers(0, 6), min_size=1, max_size=120).map(
    lambda values: np.array(values, dtype=np.int64)
)
seeds = st.integers(0, 2**40)
alphas = st.floats(1e-12, 1e9)


@st.composite
def classic(draw: st.DrawFn) -> tuple[Rule, Integers, int]:
    """A rule without samples_per_site, labels, and a number of sites that it can serve."""
    labels_N, seed = draw(labels), draw(seeds)
    shards = draw(st.integers(1, len(labels_N)))
    rules: list[tuple[Rule, int]] = [
        (Iid(seed, None), len(labels_N)),
        (Dirichlet(seed, None, draw(alphas)), len(labels_N)),
        (Shards(seed, None, shards), len(labels_N) // shards),
    ]
    rule, most = draw(st.sampled_from(rules))
    return rule, labels_N, draw(st.integers(1, most))


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Rule, Integers, int]:
    """A rule with samples_per_site, labels, and that number."""
    labels_N, seed = draw(labels), draw(seeds)
    shards = draw(st.integers(1, len(labels_N)))
    count = draw(st.integers(1, len(labels_N) // shards)) * shards
    rules: list[Rule] = [
        Iid(seed, count),
        Dirichlet(seed, count, draw(alphas)),
        Shards(seed, count, shards),
    ]
    return draw(st.sampled_from(rules)), labels_N, count


@given(classic())
def test_a_classic_division_gives_every_row_to_exactly_one_site(
    case: tuple[Rule, Integers, int],
) -> None:
    rule, labels_N, sites = case
    rows_of = rule.divide(labels_N, sites)
    given_rows = np.concatenate([rows_of(site) for site in range(sites)])
    assert sorted(given_rows.tolist()) == list(range(len(labels_N)))


@given(classic())
def test_a_classic_division_leaves_no_site_empty(case: tuple[Rule, Integers, int]) -> None:
    rule, labels_N, sites = case
    rows_of = rule.divide(labels_N, sites)
    sizes = [len(rows_of(site)) for site in range(sites)]
    assert min(sizes) >= 1
    tolerance = rule.shards_per_site if isinstance(rule, Shards) else 1
    assert max(sizes) - min(sizes) <= tolerance


@given(drawn(), st.integers(0, 10**9))
def test_a_drawing_site_gets_as_many_different_rows_as_asked(
    case: tuple[Rule, Integers, int], site: int
) -> None:
    rule, labels_N, count = case
    rows = rule.divide(labels_N, 10**9 + 1)(site)
    assert len(rows) == len(set(rows.tolist())) == count
    assert rows.min() >= 0
    assert rows.max() < len(labels_N)


@given(st.one_of(classic(), drawn()), st.integers(0, 10**6))
def test_rows_depend_on_seed_and_site_alone(
    case: tuple[Rule, Integers, int], other_site: int
) -> None:
    rule, labels_N, sites = case
    site = sites - 1
    first = rule.divide(labels_N, sites)(site)
    again = rule.divide(labels_N, sites)
    again(other_site % sites)
    assert first.dtype == np.int64
    assert np.array_equal(again(site), first)


@given(drawn(), st.integers(1, 1000))
def test_a_drawing_site_is_the_same_in_any_population(
    case: tuple[Rule, Integers, int], sites: int
) -> None:
    rule, labels_N, _ = case
    small, large = rule.divide(labels_N, sites), rule.divide(labels_N, 10**6)
    assert np.array_equal(small(sites - 1), large(sites - 1))


BALANCED = np.repeat(np.arange(10), 600)


@pytest.mark.parametrize("samples", [None, 60])
@pytest.mark.parametrize(
    "rule",
    [
        lambda seed, samples: Iid(seed, samples),
        lambda seed, samples: Shards(seed, samples, 2),
        lambda seed, samples: Dirichlet(seed, samples, 1.0),
    ],
)
def test_another_seed_gives_another_division(rule: object, samples: int | None) -> None:
    assert callable(rule)
    first, second = (rule(seed, samples).divide(BALANCED, 100)(5) for seed in (0, 1))
    assert not np.array_equal(np.sort(first), np.sort(second))


@pytest.mark.parametrize("samples", [None, 60])
def test_shards_hold_few_labels(samples: int | None) -> None:
    rows_of = Shards(0, samples, 2).divide(BALANCED, 100)
    assert max(len(np.unique(BALANCED[rows_of(site)])) for site in range(100)) <= 4
    assert np.mean([len(np.unique(BALANCED[rows_of(site)])) for site in range(100)]) < 2.5


@pytest.mark.parametrize("samples", [None, 60])
def test_a_smaller_alpha_gives_more_skewed_sites(samples: int | None) -> None:
    def largest_share(alpha: float) -> float:
        rows_of = Dirichlet(0, samples, alpha).divide(BALANCED, 100)
        shares = [np.bincount(BALANCED[rows_of(s)]).max() / len(rows_of(s)) for s in range(100)]
        return float(np.mean(shares))

    assert largest_share(1e6) < 0.25
    assert largest_share(0.1) > 0.8
    assert largest_share(0.1) > largest_share(3.0) > largest_share(1e6)


def test_the_mean_dirichlet_mix_is_the_mix_of_all_rows() -> None:
    """The variance of a label's share is p (1 - p) / (alpha + 1) (Hsu et al.: Dir(alpha p))."""
    labels_N = np.repeat(np.arange(3), (6000, 3000, 1000))
    rows_of = Dirichlet(3, 500, 4.0).divide(labels_N, 2000)
    shares = np.array([np.bincount(labels_N[rows_of(s)], minlength=3) / 500 for s in range(2000)])
    share = np.array([0.6, 0.3, 0.1])
    # Five standard errors of 2000 sites. The draw of 500 rows adds a little to the variance.
    assert np.abs(shares.mean(axis=0) - share).max() < 5 * np.sqrt(0.24 / 5 / 2000)
    expected = share * (1 - share) / 5
    assert np.allclose(shares.var(axis=0), expected, rtol=0.2)


def test_a_million_sites_cost_only_the_rows_that_are_asked() -> None:
    rules: list[Rule] = [Iid(0, 60), Shards(0, 60, 2), Dirichlet(0, 60, 1.0)]
    for rule in rules:
        rows_of = rule.divide(BALANCED, 10**6)
        assert len(rows_of(999_999)) == 60


@pytest.mark.parametrize(
    ("rule", "sites", "named"),
    [
        (Iid(0, None), 6001, "sites=6001"),
        (Dirichlet(0, None, 1.0), 6001, "sites=6001"),
        (Shards(0, None, 2), 3001, "sites=3001"),
        (Iid(0, 6001), 5, "partition.samples_per_site=6001"),
        (Iid(0, 0), 5, "partition.samples_per_site=0"),
        (Iid(-1, None), 5, "partition.seed=-1"),
        (Shards(0, 61, 2), 5, "partition.samples_per_site=61"),
        (Shards(0, None, 0), 5, "partition.shards_per_site=0"),
        (Dirichlet(0, None, 0.0), 5, "partition.alpha=0.0"),
        (Dirichlet(0, None, float("nan")), 5, "partition.alpha=nan"),
        (Dirichlet(0, None, float("inf")), 5, "partition.alpha=inf"),
    ],
)
def test_a_rule_that_cant_be_kept_is_refused(rule: Rule, sites: int, named: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        rule.divide(BALANCED, sites)
    assert caught.value.value == named
