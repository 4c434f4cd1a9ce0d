"""Rules that divide one data set into sites: IID, Dirichlet and shards; or its own column does.

Each rule has two forms. Without ``samples_per_site`` it is the classic division: every row goes to
exactly one site, sizes differ by at most one, and there can't be more sites than rows. With it,
every site draws that many different rows by a generator of its own, (seed, site), so that sites
share rows and there may be any number of them. In both forms nothing is made per site before
``rows(site)`` is called, whose cost is proportional to the site's rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.rules import above, number, require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Integers

RowsOf = Callable[[int], Integers]
"""Row indices of a site, by its index."""


class Rule(Protocol):
    """A way to divide rows among sites."""

    def divide(self, labels_N: Integers, sites: int) -> RowsOf:
        """Who gets which of the rows with these labels.

        Raises:
            InvalidConfiguration: an option out of range, or more sites than this rule can serve.
        """
        ...


@dataclass(frozen=True)
class Iid:
    """Rows at random: every site sees the whole data set's distribution.

    ``seed`` None can divide nothing: a run without a seed on a file that says whose the rows are.
    """

    seed: int | None
    samples_per_site: int | None

    def divide(self, labels_N: Integers, sites: int) -> RowsOf:
        """Slices of one permutation; or draws without replacement."""
        seed = _check_seed(self.seed)
        count, drawn = len(labels_N), self.samples_per_site
        if drawn is not None:
            _check_samples(drawn, count)
            return lambda site: _generator(seed, site).choice(count, drawn, replace=False)
        _check_sites(sites, count)
        order_N = _generator(seed).permutation(count)
        return lambda site: order_N[count * site // sites : count * (site + 1) // sites]


@dataclass(frozen=True)
class Column(Iid):
    """The column of sites that a file has; as ``Iid`` where it has none."""


@dataclass(frozen=True)
class Shards:
    """Few labels per site (McMahan et al. 2017, section 3): runs of rows sorted by label.

    A site gets ``shards_per_site`` shards at random: of as many as all sites need together, each
    given once, in the classic form; of all that hold ``samples_per_site / shards_per_site`` rows
    when it draws.
    """

    seed: int
    samples_per_site: int | None
    shards_per_site: int

    def divide(self, labels_N: Integers, sites: int) -> RowsOf:
        """Shards of the rows in order of their labels; rows of one label are shuffled first."""
        _check_seed(self.seed)
        require("partition.shards_per_site", self.shards_per_site, whole(1))
        order_N = _by_label(labels_N, self.seed)
        if self.samples_per_site is not None:
            return self._draws(order_N, self.samples_per_site)
        count, per_site = len(order_N), self.shards_per_site
        _check_sites(sites, count // per_site)
        shards = sites * per_site
        given = _generator(self.seed, 1).permutation(shards)

        def rows(site: int) -> Integers:
            own = given[site * per_site : (site + 1) * per_site]
            return _join([order_N[count * s // shards : count * (s + 1) // shards] for s in own])

        return rows

    def _draws(self, order_N: Integers, drawn: int) -> RowsOf:
        _check_samples(drawn, len(order_N))
        length, left = divmod(drawn, self.shards_per_site)
        multiple = number(f"must be a multiple of {self.shards_per_site}", lambda _: left == 0)
        require("partition.samples_per_site", drawn, multiple)
        shards = len(order_N) // length

        def rows(site: int) -> Integers:
            own = _generator(self.seed, site).choice(shards, self.shards_per_site, replace=False)
            return _join([order_N[s * length : (s + 1) * length] for s in own])

        return rows


@dataclass(frozen=True)
class Dirichlet:
    """Label mixes from Dirichlet(alpha p), p the labels' shares in all rows (Hsu et al. 2019).

    The smaller ``alpha``, the fewer labels per site. ``alpha`` is the concentration over all labels
    together, as in the paper; papers that write Dir(a, ..., a) over K labels have alpha = K a.
    A label that has run out goes on with the site's mix of the others.
    """

    seed: int
    samples_per_site: int | None
    alpha: float

    def divide(self, labels_N: Integers, sites: int) -> RowsOf:
        """Slices of each label's rows, as many as the site's mix says."""
        _check_seed(self.seed)
        require("partition.alpha", self.alpha, above(0))
        order_N, size_K = _by_label(labels_N, self.seed), np.unique_counts(labels_N).counts
        first_K = np.cumsum(size_K) - size_K
        if self.samples_per_site is not None:
            return self._draws(order_N, first_K, size_K, self.samples_per_site)
        _check_sites(sites, len(order_N))
        taken_SK = self._classic(size_K, sites)
        start_SK = first_K + np.cumsum(taken_SK, axis=0) - taken_SK

        def rows(site: int) -> Integers:
            ends_K = start_SK[site] + taken_SK[site]
            return _join([order_N[a:b] for a, b in zip(start_SK[site], ends_K, strict=True)])

        return rows

    def _classic(self, size_K: Integers, sites: int) -> Integers:
        """How many rows of each label each site takes; all sites are served label by label."""
        generator, left_K = _generator(self.seed, 1), size_K.copy()
        mix_SK = generator.dirichlet(self.alpha * size_K / size_K.sum(), sites)
        borders = np.arange(sites + 1) * int(size_K.sum()) // sites
        needed_S, taken_SK = np.diff(borders), np.zeros((sites, len(size_K)), np.int64)
        while needed_S.any():  # each pass but the last empties a label
            wished_SK = generator.multinomial(needed_S, _open_mix(mix_SK, left_K))
            before_SK = np.cumsum(wished_SK, axis=0) - wished_SK
            granted_SK = np.clip(left_K - before_SK, 0, wished_SK)
            taken_SK += granted_SK
            left_K -= granted_SK.sum(axis=0)
            needed_S -= granted_SK.sum(axis=1)
        return taken_SK

    def _draws(self, order_N: Integers, first_K: Integers, size_K: Integers, drawn: int) -> RowsOf:
        _check_samples(drawn, len(order_N))

        def rows(site: int) -> Integers:
            generator, taken_K = _generator(self.seed, site), np.zeros_like(size_K)
            mix_1K = generator.dirichlet(self.alpha * size_K / size_K.sum(), 1)
            while (needed := drawn - int(taken_K.sum())) > 0:
                wished_K = generator.multinomial(needed, _open_mix(mix_1K, size_K - taken_K)[0])
                taken_K += np.minimum(wished_K, size_K - taken_K)
            picked = [
                first + generator.choice(size, taken, replace=False)
                for first, size, taken in zip(first_K, size_K, taken_K, strict=True)
            ]
            return order_N[_join(picked)]

        return rows


def _generator(seed: int, *path: int) -> np.random.Generator:
    """A generator of its own for every path (numpy's SeedSequence spawning)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


def _by_label(labels_N: Integers, seed: int) -> Integers:
    """Rows sorted by label, shuffled within one label."""
    shuffled_N = _generator(seed).permutation(len(labels_N))
    return shuffled_N[np.argsort(labels_N[shuffled_N], kind="stable")]


def _open_mix(mix_SK: NDArray[np.float64], left_K: Integers) -> NDArray[np.float64]:
    """Each site's mix over the labels that have rows left; what is left, where its mix has none."""
    open_SK = mix_SK * (left_K > 0)
    open_SK[open_SK.sum(axis=1) < np.finfo(np.float64).tiny] = left_K
    mixes_SK: NDArray[np.float64] = open_SK / open_SK.sum(axis=1, keepdims=True)
    return mixes_SK


def _join(parts: list[NDArray[Any]]) -> Integers:
    return np.concatenate(parts).astype(np.int64, copy=False)


def _check_seed(seed: int | None) -> int:
    require("partition.seed", seed, whole(0))
    assert seed is not None
    return seed


def _check_samples(samples_per_site: int, rows: int) -> None:
    require("partition.samples_per_site", samples_per_site, whole(1, rows))


def _check_sites(sites: int, most: int) -> None:
    if sites > most:
        raise InvalidConfiguration(
            f"sites={sites}",
            f"must be at most {most} where every site gets windows of its own",
            "Ask for fewer, or set partition.samples_per_site (for example to 60): every site then"
            " draws so many, and sites share windows",
        )
