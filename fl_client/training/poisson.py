"""Check that the batches of a round look like Poisson samples.

The accountant's amplification by sampling holds for batches that each window enters by itself with
the plan's probability, and for no others: shuffled batches of a fixed size cost far more than it
says (Chua et al. 2024, "How private are DP-SGD implementations?"). So every trainer checks the
batches that it was given before it trains.

Found with certainty: another number of steps than the plan's, rows that the site does not have, and
a window twice in one batch. Found where chance would not explain it once in 10^12 rounds: batches
too large or too small, batches of one size, passes over the data (each window equally often), and a
batch that comes again. Few steps and few windows show little: with sizes of standard deviation s,
a fixed size takes about 30 / log(2.5 s) steps to be found, and a pass takes as many windows. Not
found: batches chosen by what is in the windows, within these bounds, or the same in two rounds.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from scipy.special import gammaln, rel_entr, xlog1py, xlogy

from fl_common.errors import PrivacyViolation
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.vocabulary import Integers

_LOG_ALARM = 30.0
"""Each test gives a false alarm with a probability of at most e^-30."""


def check_poisson(batches: Sequence[torch.Tensor], windows: int, plan: SampleMechanism) -> None:
    """Raise PrivacyViolation unless ``batches`` may be the Poisson samples of one round.

    ``batches`` are the rows of each step, in rising order; ``windows`` is the number of rows.
    """
    steps, rate = plan.steps, plan.sampling_rate
    if len(batches) != steps:
        raise _not_poisson(f"there are {len(batches)} of them for {steps} steps")
    if rate == 1.0:
        _check_whole(batches, windows)
        return
    if not windows:
        if any(len(batch) for batch in batches):
            raise _not_poisson("they have rows that the site does not have")
        return
    sizes_S = np.array([len(batch) for batch in batches])
    rows = torch.cat(list(batches)).numpy()
    if len(rows) and (rows.min() < 0 or rows.max() >= windows):
        raise _not_poisson("they have rows that the site does not have")
    if (np.diff(np.repeat(np.arange(steps), sizes_S) * windows + rows) <= 0).any():
        raise _not_poisson("a window is twice in one, or its rows are not in rising order")
    counts_N = np.bincount(rows, minlength=windows)
    _check_counts(sizes_S, windows, rate, "windows in a step")
    _check_counts(counts_N, steps, rate, "steps of a window")
    _check_bounds(len(rows), len(rows), windows * steps, rate, 1, "windows in all steps")
    log_equal = windows * math.log(rate**2 + (1 - rate) ** 2) + 2 * math.log(steps)
    if log_equal < -_LOG_ALARM and len({batch.numpy().tobytes() for batch in batches}) < steps:
        raise _not_poisson("two steps have the same one: its generator is frozen")


def _check_whole(batches: Sequence[torch.Tensor], windows: int) -> None:
    """At a rate of 1 there is one sample: all rows."""
    rows_N = torch.arange(windows)
    if not all(torch.equal(batch, rows_N) for batch in batches):
        raise _not_poisson("one has not all rows in order, and the sampling rate is 1")


def _check_counts(counts: Integers, trials: int, rate: float, what: str) -> None:
    """``counts`` must look like independent draws of Binomial(``trials``, ``rate``)."""
    _check_bounds(int(counts.min()), int(counts.max()), trials, rate, len(counts), what)
    equal = int(np.bincount(counts).max())
    if equal > _most_equal(len(counts), trials, rate):
        raise _not_poisson(f"the {what} are the same {equal} times out of {len(counts)}")


def _check_bounds(least: int, most: int, trials: int, rate: float, samples: int, what: str) -> None:
    lowest, highest = _bounds(trials, rate, _LOG_ALARM + math.log(2 * samples))
    if least < lowest or most > highest:
        odd = least if least < lowest else most
        raise _not_poisson(f"the {what} are {odd}, and {lowest} to {highest} are plausible")


@lru_cache(maxsize=4096)
def _bounds(trials: int, rate: float, log_alarm: float) -> tuple[int, int]:
    """What a binomial count stays within but for a chance of e^-log_alarm on each side.

    Chernoff (1952): P(X >= k) <= exp(-trials * KL(k / trials || rate)), and so below. It falls up
    to the mean and rises after it, so both ends are found by bisection, however many trials.
    """

    def divergence_of(count: int) -> float:
        return trials * _divergence(count / trials, rate)

    def is_plausible(count: int) -> bool:
        return divergence_of(count) <= log_alarm

    mode = min((math.floor(trials * rate), math.ceil(trials * rate)), key=divergence_of)
    lowest = bisect_left(range(mode), True, key=is_plausible)
    above = bisect_left(range(trials - mode), True, key=lambda left: is_plausible(trials - left))
    return lowest, trials - above


@lru_cache(maxsize=4096)
def _most_equal(samples: int, trials: int, rate: float) -> int:
    """How many of ``samples`` binomial counts may be equal; over all values by a union bound."""
    mode = min(trials, math.floor((trials + 1) * rate))
    choices = gammaln(trials + 1) - gammaln(mode + 1) - gammaln(trials - mode + 1)
    likeliest = math.exp(choices + xlogy(mode, rate) + xlog1py(trials - mode, -rate))
    return _bounds(samples, min(1.0, likeliest), _LOG_ALARM + math.log(trials + 1))[1]


def _divergence(share: float, rate: float) -> float:
    """Kullback and Leibler's divergence of Bernoulli(share) from Bernoulli(rate), in nats."""
    return float(rel_entr(share, rate) + rel_entr(1 - share, 1 - rate))


def _not_poisson(problem: str) -> PrivacyViolation:
    return PrivacyViolation(
        f"the batches are not Poisson samples: {problem}. Nothing was trained on them."
    )
