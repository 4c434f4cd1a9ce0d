"""The server's noised mean: what counts, how much noise, where the clip norm goes."""

import math
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fl_common import params
from fl_common.errors import InvalidConfiguration, PrivacyViolation
from fl_common.privacy.draws import DrawHistory
from fl_common.privacy.grid import LEEWAY
from fl_common.privacy.site_level import SitePrivacyPlan
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import LocalUpdate, Parameters
from fl_server.aggregation import Aggregator, BadUpdate
from fl_server.aggregation import private_sum as site_privacy
from fl_server.aggregation.mean import WeightedMean
from fl_server.aggregation.private_sum import PrivateSum, moved_clip_norm
from fl_server.aggregation.robust import CoordinateMedian, TrimmedMean
from fl_server.optimisers.averaging import FedAvg
from fl_server.rounds.sampling import ClientSampling, PoissonSampling, Sampling
from fl_server.rounds.strategy import Federation
from tests.support import samples
from tests.support.chance import mean_is, spread_is
from tests.support.samples import ADAPTIVE, SITE_PRIVACY

SIZE = 40_000
ADAPTING = replace(SITE_PRIVACY, adaptive_clipping=ADAPTIVE)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_privacy, "DRAWS", DrawHistory())


def parameters(length: float = 0.0, size: int = SIZE) -> Parameters:
    share = np.float32(length / np.sqrt(size))
    return {"w": np.full((size - 1,), share), "b": np.full((), share)}


def update(length: float, bit: bool | None = None, weight: float = 1.0) -> LocalUpdate:
    return LocalUpdate("anna", "run", 1, parameters(length), weight, bit)


def fold(
    privacy: SitePrivacyPlan = SITE_PRIVACY,
    clip_norm: float = 1.0,
    seed: int | None = 1,
    round_: int = 1,
) -> PrivateSum:
    return PrivateSum(privacy.update_mechanism, parameters(), clip_norm, seed, round_)


@pytest.mark.parametrize("seed", [1, None])
@pytest.mark.parametrize(("privacy", "clip_norm"), [(SITE_PRIVACY, 1.0), (ADAPTING, 0.3)])
@pytest.mark.parametrize("updates", [0, 4])
def test_the_noise_has_the_plans_scale_whatever_the_number_of_updates(
    seed: int | None, privacy: SitePrivacyPlan, clip_norm: float, updates: int
) -> None:
    folded = fold(privacy, clip_norm, seed)
    for _ in range(updates):
        folded.add(update(clip_norm, None if privacy is SITE_PRIVACY else True))
    mean = folded.result()
    centre = updates * clip_norm / np.sqrt(SIZE) / 3  # 0.5 of 6 sites are expected
    deviation = privacy.update_mechanism.update_noise_multiplier * clip_norm / 3
    noise_E = (mean["w"] - centre) / deviation
    assert spread_is(noise_E, 1.0)
    assert mean_is(noise_E, 0.0, 1.0)
    assert mean["w"].dtype == mean["b"].dtype == np.float32
    assert mean["b"].shape == ()
    assert folded.count == updates


def test_seeded_noise_repeats_for_a_round_and_differs_for_others() -> None:
    first, again = fold().result(), fold().result()
    assert params.digest(first) == params.digest(again)
    others = [fold(round_=2), fold(seed=2), fold(seed=None)]
    assert len({params.digest(other.result()) for other in (*others, fold())}) == 4


def test_the_result_is_released_once() -> None:
    folded = fold(ADAPTING, seed=None)
    first, moved = params.digest(folded.result()), folded.next_clip_norm
    assert (params.digest(folded.result()), folded.next_clip_norm) == (first, moved)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (update(1.01), r"norm 1.01 is above the clip norm 1"),
        (update(1e30), "above the clip norm"),
        (update(0.5, weight=2.0), "weight is 2.0, not 1"),
        (update(0.5, weight=0.5), "weight is 0.5, not 1"),
        (update(0.5, bit=True), "bit for adaptive clipping is True"),
        (update(np.nan), "not finite"),
        (replace(update(0.5), delta={"w": np.zeros(3, np.float32)}), "missing or unknown"),
    ],
)
def test_an_update_that_would_move_the_sum_too_far_does_not_count(
    sent: LocalUpdate, message: str
) -> None:
    folded = fold()
    with pytest.raises(BadUpdate, match=message):
        folded.add(sent)
    assert folded.count == 0
    assert params.digest(folded.result()) == params.digest(fold().result())


def test_an_update_without_the_bit_that_was_asked_for_does_not_count() -> None:
    with pytest.raises(BadUpdate, match="bit for adaptive clipping is None"):
        fold(ADAPTING).add(update(0.5))


def test_rounding_above_the_clip_norm_is_scaled_away() -> None:
    folded = fold()
    folded.add(update(1.0009))
    moved = params.subtract(folded.result(), fold().result())
    assert params.norm(moved) * 3 == pytest.approx(1 - LEEWAY, rel=1e-4)


@pytest.mark.parametrize(("bits", "share"), [([], 0.5), ([True] * 3, 1.0), ([False] * 3, 0.0)])
def test_the_clip_norm_moves_as_the_paper_says(bits: list[bool], share: float) -> None:
    quiet = replace(
        ADAPTING, noise_multiplier=1e-6, adaptive_clipping=replace(ADAPTIVE, bit_noise=1e-6)
    )
    folded = fold(quiet, clip_norm=2.0)
    for bit in bits:
        folded.add(update(1.0, bit))
    folded.result()
    assert folded.next_clip_norm == pytest.approx(2.0 * math.exp(-0.2 * (share - 0.5)), rel=1e-5)
    assert moved_clip_norm(2.0, ADAPTIVE, 0.5) == 2.0


def test_the_bits_noise_has_the_plans_scale() -> None:
    shares = []
    for round_ in range(400):
        folded = PrivateSum(ADAPTING.update_mechanism, parameters(size=2), 1.0, 7, round_)
        folded.result()
        shares.append(-math.log(folded.next_clip_norm) / ADAPTIVE.learning_rate)
    deviation = ADAPTIVE.bit_noise / 3
    assert spread_is(np.array(shares), deviation)
    assert mean_is(np.array(shares), 0.0, deviation)


def test_without_adaptive_clipping_the_clip_norm_stays() -> None:
    folded = fold(clip_norm=1.5)
    folded.result()
    assert folded.next_clip_norm == 1.5


@pytest.mark.parametrize("scale", [0.0, 0.9])
def test_noise_of_another_scale_releases_nothing(
    scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = np.random.default_rng(0)
    monkeypatch.setattr(
        site_privacy, "system_normals", lambda size: scale * drawn.standard_normal(size)
    )
    with pytest.raises(PrivacyViolation, match="variance"):
        fold(seed=None).result()


def test_a_frozen_generator_releases_nothing_the_second_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen = np.random.default_rng(0).standard_normal(SIZE + 1)
    monkeypatch.setattr(site_privacy, "system_normals", lambda size: frozen)
    fold(seed=None).result()
    with pytest.raises(PrivacyViolation, match="frozen"):
        fold(seed=None, round_=2).result()


def test_memory_does_not_grow_with_the_updates() -> None:
    folded, size = fold(), SIZE * 8
    folded.add(update(1.0))
    tracemalloc.start()
    try:
        for _ in range(20):
            folded.add(update(1.0))
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert grown < size / 4


@pytest.mark.parametrize(
    ("privacy", "aggregator", "sampling", "message"),
    [
        (SITE_PRIVACY, CoordinateMedian(), PoissonSampling(0.5, 1), "CoordinateMedian: can't be"),
        (SITE_PRIVACY, TrimmedMean(0.1), PoissonSampling(0.5, 1), "TrimmedMean: can't be used"),
        (SITE_PRIVACY, WeightedMean(), PoissonSampling(0.4, 1), "must be Poisson sampling at"),
        (SITE_PRIVACY, WeightedMean(), ClientSampling(None, 0.5, 1), "must be Poisson sampling"),
        (replace(SITE_PRIVACY, noise="site"), WeightedMean(), ClientSampling(2, 1.0, 1), "Poisson"),
    ],
)
def test_a_federation_that_breaks_the_accounting_is_refused(
    privacy: PrivacyPlan, aggregator: Aggregator, sampling: Sampling, message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        federation(privacy, aggregator, sampling)


def test_after_the_sites_noise_any_aggregator_may_follow() -> None:
    privacy = replace(SITE_PRIVACY, noise="site")
    assert federation(privacy, CoordinateMedian(), PoissonSampling(0.5, 1)).plan.privacy is privacy


def federation(privacy: PrivacyPlan, aggregator: Aggregator, sampling: Sampling) -> Federation:
    fields: dict[str, Any] = {"round_timeout_s": 1.0, "poll_interval_s": 0.1}
    return Federation(
        samples.plan(privacy), aggregator, FedAvg(1.0), sampling, lambda grid: [], **fields
    )
