"""Clipping and sampling: how often each window was in a batch, read off updates with little noise.

With the gradients of all windows known, the sum of a round is their combination with whole numbers:
how many steps each was in. Whole numbers show that each gradient is clipped by itself; their
distribution, that each step is a Poisson sample of its own.
"""

import math

import numpy as np
from scipy import stats

from fl_common.plan import RunPlan
from fl_common.vocabulary import Doubles, Windows
from models.nets import build_net, parameters_of
from simulate.audit.checks import ERROR, Check, within
from simulate.audit.probe import Examined, contributions, probing

_ROUNDS = 12
_RATE = 0.5
_ERROR = 0.06
"""Standard error of a count that the noise is chosen for."""
_WORST_ERROR = 0.1
_SIGMAS = float(stats.norm.isf(ERROR / 2)) + 1.5
"""With a margin for sums that are only nearly normal."""
_NAMES = (
    "sampling: share",
    "sampling: round sizes",
    "sampling: steps a window",
    "sampling: between rounds",
)


def check_sampling(examined: Examined, windows: Windows) -> list[Check]:
    """Checks of each window's part in a sum, and of the samples."""
    mechanism = examined.mechanism
    rate = mechanism.sampling_rate if mechanism.sampling_rate < 1 else _RATE
    steps = int(np.clip(math.ceil(4 / (rate * (1 - rate))), 8, 1000))
    noise = _ERROR / math.sqrt(steps)
    parameters = parameters_of(
        build_net(examined.plan.net, examined.plan.task, examined.plan.seed or 0)
    )
    gradients_ND = contributions(examined.plan, parameters, windows)
    amplified = math.sqrt(float(np.diag(np.linalg.pinv(gradients_ND @ gradients_ND.T)).max()))
    if noise * math.sqrt(steps) * amplified > _WORST_ERROR:
        alike = "the windows' gradients are too alike in this net"
        return [Check(name, alike, "", None) for name in ("clipping: a window's part", *_NAMES)]
    changed = {"sampling_rate": rate, "steps": steps, "noise_multiplier": noise}
    length = math.sqrt(len(windows) * steps) * steps * rate
    probed = examined.changed(length, **changed)
    found_RN = _found(examined, probed, windows, gradients_ND)
    return [_whole(found_RN, steps), *_sampled(np.rint(found_RN), rate, steps)]


def _found(examined: Examined, probed: RunPlan, windows: Windows, gradients_ND: Doubles) -> Doubles:
    """How many steps of each round each window was in: (R, N)."""
    with probing(examined, probed, "probe-a", windows) as probe:
        sums_RD = np.stack([probe.sums(round_) for round_ in range(1, _ROUNDS + 1)])
    return np.asarray(np.linalg.lstsq(gradients_ND.T, sums_RD.T, rcond=None)[0].T)


def _whole(found_RN: Doubles, steps: int) -> Check:
    """Each window adds its clipped gradient a whole number of times, at most once a step."""
    off = float(np.abs(found_RN - np.rint(found_RN)).max())
    most = float(found_RN.max())
    is_right = off < 0.45 and float(found_RN.min()) > -0.5 and most < steps + 0.5
    measured = f"up to {most:.1f} times, {off:.2f} off whole"
    return Check("clipping: a window's part", measured, f"0 to {steps}, whole", is_right)


def _sampled(counts_RN: Doubles, rate: float, steps: int) -> list[Check]:
    """Independent binomial counts, together and by round, window, and both."""
    rounds, windows = counts_RN.shape
    trials, variance = rounds * windows * steps, steps * rate * (1 - rate)
    total = int(counts_RN.sum())
    p_value = stats.binomtest(min(max(total, 0), trials), trials, rate).pvalue
    off_RN = (counts_RN - steps * rate) / math.sqrt(variance)
    excess = (1 - 6 * rate * (1 - rate)) / variance
    spread = math.sqrt((2 + excess) / off_RN.size)
    return [
        Check(
            _NAMES[0],
            f"a share of {total / trials:.4f}",
            f"{rate:.4g}",
            bool(p_value > ERROR),
        ),
        _spread(_NAMES[1], off_RN.sum(1) / math.sqrt(windows)),
        within(
            _NAMES[2],
            float(np.mean(off_RN**2)),
            max(1 - _SIGMAS * spread, 0.01),
            1 + _SIGMAS * spread,
            ".3f",
        ),
        _spread(_NAMES[3], off_RN.sum(0) / math.sqrt(rounds)),
    ]


def _spread(name: str, values: Doubles) -> Check:
    """A check that the variance of nearly normal numbers is near one."""
    free = values.size - 1
    low, high = stats.chi2.ppf([ERROR / 2, 1 - ERROR / 2], free) / free
    return within(name, float(np.var(values, ddof=1)), float(low), float(high) * 1.2, ".3f")
