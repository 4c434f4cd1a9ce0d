"""What leaves a site under a site-level plan: clipped, noised where due, or not at all."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fl_client.release import site_level as site_privacy
from fl_client.release.gateway import release_update
from fl_client.release.site_level import protect_update
from fl_common import params
from fl_common.errors import PrivacyViolation
from fl_common.plan import Instruction
from fl_common.privacy.draws import DrawHistory
from fl_common.privacy.grid import LEEWAY
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import LocalUpdate, Parameters, Refusal, RefusalReason
from tests.support import samples
from tests.support.chance import mean_is, spread_is
from tests.support.samples import ADAPTIVE, SITE_PRIVACY

LOCAL = replace(SITE_PRIVACY, noise="site", noise_multiplier=0.5)
SIZE = 40_000


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_privacy, "DRAWS", DrawHistory())


def parameters(length: float = 0.0) -> Parameters:
    """Two arrays, one without axes, of this norm over both."""
    share = np.float32(length / np.sqrt(SIZE))
    return {"w": np.full((SIZE - 1,), share), "b": np.full((), share)}


def instruction(
    privacy: PrivacyPlan = LOCAL, round_: int = 1, clip_norm: float = 1.0, seed: int | None = 1
) -> Instruction:
    return Instruction(samples.plan(privacy, seed=seed), round_, parameters(), clip_norm)


LONGEST = 1 - LEEWAY
"""What a clip norm of 1 leaves of a longer update."""


def update(length: float, round_: int = 1, site: str = "anna") -> LocalUpdate:
    return LocalUpdate(site, "run", round_, parameters(length), 1.0)


@pytest.mark.parametrize(
    ("length", "left"), [(0.0, 0.0), (0.7, 0.7), (1.0, LONGEST), (50.0, LONGEST)]
)
def test_with_the_servers_noise_the_clipped_update_leaves(length: float, left: float) -> None:
    released = release_update(update(length), instruction(SITE_PRIVACY))
    assert isinstance(released, LocalUpdate)
    assert params.norm(released.delta) == pytest.approx(left, rel=1e-5)
    assert released.within_clip_norm is None
    assert {name: a.shape for name, a in released.delta.items()} == {"w": (SIZE - 1,), "b": ()}


@pytest.mark.parametrize(("length", "bit"), [(1.9, True), (2.1, False)])
def test_the_bit_says_whether_the_norm_was_within_the_rounds(length: float, bit: bool) -> None:
    adaptive = replace(SITE_PRIVACY, adaptive_clipping=ADAPTIVE)
    released = protect_update(update(length), instruction(adaptive, clip_norm=2.0))
    assert released.within_clip_norm is bit
    assert params.norm(released.delta) <= 2.0 * (1 + 1e-5)


@pytest.mark.parametrize("seed", [1, None])
def test_each_sites_noise_has_the_plans_scale(seed: int | None) -> None:
    noised = protect_update(update(5.0), instruction(seed=seed)).delta
    clipped = params.clip(parameters(5.0), 1.0)
    noise_E = (noised["w"] - clipped["w"]) / 0.5  # noise multiplier times clip norm
    assert spread_is(noise_E, 1.0)
    assert mean_is(noise_E, 0.0, 1.0)
    assert mean_is(np.abs(noise_E) > 1.959964, 0.05, 0.22)
    assert noised["b"].shape == ()
    assert noised["b"] != clipped["b"]


def test_seeded_noise_repeats_for_a_site_and_round_and_differs_for_others() -> None:
    def released(site: str, round_: int) -> float:
        asked = instruction(round_=round_)
        return float(protect_update(update(1.0, round_, site), asked).delta["w"][0])

    first = released("anna", 1)
    assert released("anna", 1) == first
    assert len({first, released("anna", 2), released("bert", 1)}) == 3


class Noise:
    """A generator with a fault."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def standard_normal(self, size: int) -> torch.Tensor:
        return self._scale * torch.randn(size, generator=torch.Generator().manual_seed(4))


def refused(answer: LocalUpdate | Refusal) -> None:
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.PRIVACY


@pytest.mark.parametrize("privacy", [LOCAL, SITE_PRIVACY])
def test_an_update_that_was_not_clipped_does_not_leave(
    privacy: PrivacyPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(params, "clip", lambda delta, bound: delta)
    refused(release_update(update(1.01), instruction(privacy)))
    with pytest.raises(PrivacyViolation, match=r"norm of 1\.01 above the clip norm 1"):
        protect_update(update(1.01), instruction(privacy))


@pytest.mark.parametrize("scale", [0.0, 0.9, 1.1])
def test_an_update_without_the_plans_noise_does_not_leave(
    scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_privacy, "noise_source", lambda *_: Noise(scale))
    refused(release_update(update(1.0), instruction()))
    with pytest.raises(PrivacyViolation, match="variance"):
        protect_update(update(1.0), instruction())


def test_noise_that_is_drawn_and_not_added_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_privacy, "_noised", lambda clipped, *_: clipped)
    with pytest.raises(PrivacyViolation, match="variance of 0"):
        protect_update(update(1.0), instruction())


@pytest.mark.parametrize("seed", [1, None])
def test_a_frozen_generator_is_noticed_in_the_next_round(
    seed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_privacy, "noise_source", lambda *_: Noise(1.0))
    protect_update(update(1.0), instruction(seed=seed))
    with pytest.raises(PrivacyViolation, match="frozen"):
        protect_update(update(1.0, 2), instruction(round_=2, seed=seed))


@pytest.mark.parametrize("privacy", [samples.PUBLIC, samples.WINDOW_PRIVACY])
def test_under_other_plans_no_bit_leaves(privacy: PrivacyPlan) -> None:
    asked = Instruction(samples.plan(privacy), 1, parameters())
    released = release_update(replace(update(3.0), within_clip_norm=True), asked)
    assert isinstance(released, LocalUpdate)
    assert released.within_clip_norm is None
    assert params.norm(released.delta) == pytest.approx(3.0, rel=1e-5)
