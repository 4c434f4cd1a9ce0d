"""What must hold of site-level privacy for whatever the sites send."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fl_client.release.site_level import protect_update
from fl_common import params
from fl_common.plan import Instruction
from fl_common.privacy.accounting import epsilon_of
from fl_common.privacy.mechanisms import AdaptiveClipping
from fl_common.privacy.site_level import SitePrivacyPlan
from fl_common.vocabulary import LocalUpdate, Parameters
from fl_server.aggregation import BadUpdate
from fl_server.aggregation.private_sum import PrivateSum
from fl_server.build import FleetFacts, build_plan
from fl_server.rounds.sampling import PoissonSampling
from tests.support import samples

SHAPES = {"w": (3,), "b": ()}
EMPTY = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}


def site_plan(adaptive: AdaptiveClipping | None, population: int) -> SitePrivacyPlan:
    return SitePrivacyPlan(
        1.0, 1e-3, "server", 1.0, population, 1e-9, 1.0, "rdp", "uniform", adaptive
    )


any_array = arrays.arrays(np.float32, (3,), elements=st.floats(width=32))
any_update = st.builds(
    LocalUpdate,
    st.just("liar"),
    st.just("run"),
    st.just(1),
    st.fixed_dictionaries({"w": any_array, "b": any_array.map(lambda a: np.asarray(a[0]))}),
    st.floats() | st.just(1.0),
    st.booleans() | st.none(),
)


def released(plan: SitePrivacyPlan, clip_norm: float, sent: list[LocalUpdate]) -> PrivateSum:
    fold = PrivateSum(plan.update_mechanism, EMPTY, clip_norm, 5, 1)
    for update in sent:
        try:
            fold.add(update)
        except BadUpdate:
            continue
    return fold


@settings(max_examples=200, deadline=None)
@given(
    honest=st.lists(
        arrays.arrays(np.float32, (4,), elements=st.floats(-2, 2, width=32)), max_size=4
    ),
    liar=any_update,
    clip_norm=st.floats(0.01, 100),
    adapts=st.booleans(),
)
def test_whatever_one_site_sends_the_sum_moves_by_at_most_the_clip_norm(
    honest: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    liar: LocalUpdate,
    clip_norm: float,
    adapts: bool,
) -> None:
    adaptive = AdaptiveClipping(0.5, 0.2, 10.0) if adapts else None
    plan = site_plan(adaptive, population=7)
    sent = [
        LocalUpdate("anna", "run", 1, params.clip({"w": a[:3], "b": a[3]}, clip_norm), 1.0,
                    True if adapts else None)
        for a in honest
    ]  # fmt: skip
    # Equal noise (one seed and round) drops out of the difference.
    without, with_liar = released(plan, clip_norm, sent), released(plan, clip_norm, [*sent, liar])
    moved = params.subtract(with_liar.result(), without.result())
    largest = max(params.norm(with_liar.result()), params.norm(without.result()))
    assert params.norm(moved) * 7 <= clip_norm * (1 + 1e-6) + 7 * largest * 1e-6
    bits_moved = abs(math.log(with_liar.next_clip_norm / without.next_clip_norm)) / 0.2 * 7
    assert bits_moved <= (0.5 + 1e-9 if adapts else 0.0)


@example(delta=np.full(3, 2e37, np.float32), clip_norm=1e-6)
@settings(max_examples=200, deadline=None)
@given(delta=any_array.filter(lambda a: bool(np.isfinite(a).all())), clip_norm=st.floats(1e-6, 1e6))
def test_what_a_site_releases_is_accepted_by_the_server(
    delta: np.ndarray[tuple[int, ...], np.dtype[np.float32]], clip_norm: float
) -> None:
    privacy = site_plan(AdaptiveClipping(0.5, 0.2, 10.0), population=7)
    proposed: Parameters = {"w": delta, "b": np.zeros((), np.float32)}
    asked = Instruction(samples.plan(privacy), 1, EMPTY, clip_norm)
    update = protect_update(LocalUpdate("anna", "run", 1, proposed, 1.0), asked)
    assert params.norm(update.delta) <= clip_norm * (1 + 1e-5)
    assert released(privacy, clip_norm, [update]).count == 1


@settings(max_examples=5, deadline=None)
@given(
    target=st.sampled_from([0.25, 0.5, 0.8]),
    typical=st.sampled_from([0.05, 1.0, 40.0]),
    seed=st.integers(0, 100),
)
def test_the_clip_norm_goes_to_the_quantile_of_the_norms(
    target: float, typical: float, seed: int
) -> None:
    sites, rounds = 40, 100
    norms_S = typical * np.random.default_rng(seed).lognormal(sigma=0.7, size=sites)
    adaptive = AdaptiveClipping(target, 0.3, 1.0)
    privacy = site_plan(adaptive, sites)
    plan, clip_norm, shares = samples.plan(privacy), 1.0, []
    for round_ in range(1, rounds + 1):
        fold = PrivateSum(
            privacy.update_mechanism, {"w": np.zeros(1, np.float32)}, clip_norm, seed, round_
        )
        asked = Instruction(plan, round_, {}, clip_norm)
        for length in norms_S:
            delta = {"w": np.asarray([length], np.float32)}
            fold.add(protect_update(LocalUpdate("anna", "run", round_, delta, 1.0), asked))
        fold.result()
        shares.append(np.mean(norms_S <= clip_norm))
        clip_norm = fold.next_clip_norm
    assert np.mean(shares[-40:]) == pytest.approx(target, abs=0.06)


@settings(max_examples=30, deadline=None)
@given(
    epsilon=st.floats(0.5, 10),
    rounds=st.integers(1, 400),
    participation=st.floats(0.005, 1),
    noise=st.sampled_from(["server", "site"]),
)
def test_calibrated_noise_never_passes_the_limit(
    epsilon: float, rounds: int, participation: float, noise: str
) -> None:
    node = {
        "unit": "site", "noise": noise, "epsilon": epsilon, "delta": 1e-5,
        "noise_multiplier": None, "clip_norm": 1.0, "participation": participation,
        "accountant": "rdp", "weights": "uniform", "adaptive_clipping": None,
    }  # fmt: skip
    training = {**vars(samples.TRAINING)}
    net = {"_target_": "models.nets.logistic.Logistic"}
    central = {"every": None}
    config = {
        "rounds": rounds, "seed": 0, "training": training, "net": net, "privacy": node,
        "evaluation": central, "compression": {"share": None},
    }  # fmt: skip
    privacy = build_plan(config, "run", samples.TASK, FleetFacts(1000, None, None)).privacy
    assert isinstance(privacy, SitePrivacyPlan)
    assert epsilon_of([privacy.spend_per_round] * rounds, 1e-5, "rdp") <= epsilon


@settings(max_examples=50)
@given(
    sites=st.integers(0, 10**9),
    participation=st.floats(1e-9, 1e-7),
    round_=st.integers(1, 1000),
    seed=st.integers(-5, 5),
)
def test_a_poisson_choice_repeats_and_is_sorted_distinct_and_within_the_sites(
    sites: int, participation: float, round_: int, seed: int
) -> None:
    sampling = PoissonSampling(participation, 1)
    chosen = sampling.choose(range(sites), round_, seed)
    assert chosen == sorted(set(chosen)) == sampling.choose(range(sites), round_, seed)
    assert all(0 <= position < sites for position in chosen)
