"""The server's half of a site-level plan: the noised mean of a round, and the next clip norm.

Where the server adds the noise, it is trusted: it draws which sites take part, sees their clipped
updates and keeps both to itself. What it releases is the sum of the round's updates with noise of
``noise_multiplier * clip_norm``, divided by the expected number of sites (McMahan, Ramage, Talwar
and Zhang 2018, algorithm 1, estimator with a fixed denominator). One site moves that sum by at most
the clip norm, whatever it sends: a longer update is left out, and so can't spoil the others'
guarantee. A round for which no site was drawn releases noise all the same.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fl_common import params
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.privacy.draws import DRAWS
from fl_common.privacy.grid import GaussianGrid
from fl_common.privacy.mechanisms import (
    LARGEST_CLIP_NORM,
    SMALLEST_CLIP_NORM,
    AdaptiveClipping,
    UpdateMechanism,
)
from fl_common.privacy.noise import check_standard_normal, system_normals
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import LocalUpdate, Parameters
from fl_server.aggregation import Aggregator, BadUpdate, Fold
from fl_server.aggregation.mean import WeightedMean, WeightedSum, divided
from fl_server.rounds.sampling import PoissonSampling, Sampling, entropy

_LEEWAY = 1 + 1e-3
"""For float32 on the site; what is above the clip norm within it is scaled down to it here."""

_BIT_STEPS = 1024
"""The noise on the bits, which are whole halves, is a whole number of this part of a bit."""


def check_site_level(privacy: PrivacyPlan, aggregator: Aggregator, sampling: Sampling) -> None:
    """Raise InvalidConfiguration unless a round runs as the accounting of ``privacy`` assumes."""
    if (mechanism := privacy.update_mechanism) is None:
        return
    rate = mechanism.participation
    if not isinstance(sampling, PoissonSampling) or sampling.participation != rate:
        raise InvalidConfiguration(
            f"sampling of sites by {sampling}",
            f"must be Poisson sampling at privacy.participation={rate}",
            "Draw the sites of a site-level plan by PoissonSampling",
        )
    if mechanism.noise == "server" and not isinstance(aggregator, WeightedMean):
        raise InvalidConfiguration(
            f"strategy.aggregator={type(aggregator).__name__}",
            "can't be used where the server adds the noise: one site would move its result by more"
            " than the clip norm over the number of sites",
            "Choose strategy=fedavg (or another with WeightedMean), or privacy.noise=site",
        )


def start_fold(
    plan: RunPlan,
    aggregator: Aggregator,
    parameters: Parameters,
    round_: int,
    clip_norm: float | None,
) -> Fold:
    """The fold of one round: the aggregator's, or a private sum where the server adds the noise."""
    mechanism = plan.privacy.update_mechanism
    if mechanism is not None and mechanism.noise == "server":
        assert clip_norm is not None
        return PrivateSum(mechanism, parameters, clip_norm, plan.seed, round_)
    return aggregator.start(parameters)


class PrivateSum:
    """The updates of one round under central DP: a ``Fold`` with noise in its result.

    Holds one running sum, whatever the number of updates. Without a seed the noise is the
    operating system's.
    """

    def __init__(
        self,
        mechanism: UpdateMechanism,
        parameters: Parameters,
        clip_norm: float,
        seed: int | None,
        round_: int,
    ) -> None:
        self._mechanism = mechanism
        self._clip_norm = clip_norm
        self._seed, self._round = seed, round_
        self._sum = WeightedSum(parameters)
        size = sum(array.size for array in parameters.values())
        self._grid = GaussianGrid(clip_norm, mechanism.update_noise_multiplier, size)
        self._centred_bits = 0.0
        self._released: Parameters | None = None
        self._next_clip_norm = clip_norm

    @property
    def count(self) -> int:
        """Updates counted so far."""
        return self._sum.count

    @property
    def next_clip_norm(self) -> float:
        """The clip norm of the next round, once ``result`` has been asked for."""
        return self._next_clip_norm

    def add(self, update: LocalUpdate) -> None:
        """Count ``update``.

        Raises:
            BadUpdate: it can't be used, is longer than the clip norm, has a weight of its own, or
                a bit that was not asked for (or none that was).
        """
        self._sum.check(update)
        if update.weight != 1.0:
            raise BadUpdate(update.site, f"its weight is {update.weight}, not 1 as the plan says")
        bound, length = self._clip_norm, params.norm(update.delta)
        if not length <= bound * _LEEWAY:
            raise BadUpdate(
                update.site, f"its norm {length:.6g} is above the clip norm {bound:.6g}"
            )
        bit, adaptive = update.within_clip_norm, self._mechanism.adaptive_clipping
        if (bit is None) != (adaptive is None):
            raise BadUpdate(update.site, f"its bit for adaptive clipping is {bit}")
        self._sum.accumulate(update.delta, min(1.0, self._grid.bound / length) if length else 1.0)
        if bit is not None:
            self._centred_bits += float(bit) - 0.5

    def result(self) -> Parameters:
        """The noised mean change, float32; asked again, the same one."""
        if self._released is None:
            self._released = self._release()
        return self._released

    def _release(self) -> Parameters:
        sums, expected = self._sum.sums, self._mechanism.expected_sites
        sizes = [array.size for array in sums.values()]
        noise_E = _normals(sum(sizes) + 1, self._seed, self._round)
        parts = np.split(noise_E[1:], np.cumsum(sizes)[:-1])
        mean = {
            name: divided(self._grid.noised(array, part_E.reshape(array.shape)), expected)
            for (name, array), part_E in zip(sums.items(), parts, strict=True)
        }
        if adaptive := self._mechanism.adaptive_clipping:
            steps = round(adaptive.bit_noise * float(noise_E[0]) * _BIT_STEPS)
            centred = self._centred_bits + steps / _BIT_STEPS
            self._next_clip_norm = moved_clip_norm(
                self._clip_norm, adaptive, 0.5 + centred / expected
            )
        return mean


def moved_clip_norm(clip_norm: float, adaptive: AdaptiveClipping, share: float) -> float:
    """The next clip norm, when ``share`` of the updates were within this one (a noised figure).

    Andrew et al. 2021, algorithm 1: ``C * exp(-learning_rate * (share - target_quantile))``.
    """
    factor = math.exp(-adaptive.learning_rate * (share - adaptive.target_quantile))
    return min(max(clip_norm * factor, SMALLEST_CLIP_NORM), LARGEST_CLIP_NORM)


def _normals(size: int, seed: int | None, round_: int) -> NDArray[np.float64]:
    """Checked standard normals of one round: repeatable with a seed, else the system's.

    Raises:
        PrivacyViolation: they are not plausible, or those of the round before.
    """
    if seed is None:
        noise_E = system_normals(size)
    else:
        noise_E = np.random.default_rng(entropy(seed, "noise", round_)).standard_normal(size)
    check_standard_normal(float(np.dot(noise_E, noise_E)), size)
    DRAWS.check(noise_E, None if seed is None else ("sum", seed, round_))
    return noise_E
