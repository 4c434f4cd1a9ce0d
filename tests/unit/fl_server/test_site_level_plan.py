"""The site-level plan: its rules, its noise, its events, and what reaches a site."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import nn

from fl_client.training.checks import check_task
from fl_common.errors import InvalidConfiguration
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.accounting import Spend, epsilon_of
from fl_common.privacy.mechanisms import AdaptiveClipping
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import SitePrivacyPlan, usual_bit_noise
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import LocalUpdate, RefusalReason
from fl_common.wire import messages as wire
from fl_server.build import FleetFacts, build_plan
from fl_server.repository.publication import _privacy_spent
from fl_server.rounds.accounting import SpendTally
from tests.support import samples
from tests.support.local_training import local_task, own_net
from tests.support.samples import ADAPTIVE, SITE_PRIVACY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_norm": 0.0}, "privacy.clip_norm=0.0: must lie in"),
        ({"clip_norm": math.inf}, "privacy.clip_norm=inf"),
        ({"noise_multiplier": 0.0}, "privacy.noise_multiplier=0.0: .*privacy=none"),
        ({"noise_multiplier": math.nan}, "privacy.noise_multiplier=nan"),
        ({"noise": "nobody"}, "privacy.noise=nobody: must be server or site"),
        ({"participation": 0.0}, r"privacy.participation=0.0: must lie in \(0, 1\]"),
        ({"participation": 1.1}, r"privacy.participation=1.1: must lie"),
        ({"population": 0}, "0 sites: needs at least one"),
        ({"delta": 0.2}, r"privacy.delta=0.2: .*below 1/n = 0.167 \(n = 6 sites\)"),
        ({"delta": 0.0}, "privacy.delta=0.0: must lie above 0"),
        ({"delta": 1 / 6}, "privacy.delta=0.16"),
        ({"epsilon_limit": -1.0}, "privacy.epsilon=-1.0"),
        ({"epsilon_limit": math.inf}, "privacy.epsilon=inf"),
        ({"accountant": "guess"}, "privacy.accountant=guess: must be rdp or prv"),
        ({"weights": "examples"}, "privacy.weights=examples: must be uniform under DP"),
        ({"noise": "site", "adaptive_clipping": ADAPTIVE}, "would send each site's bit without"),
        (
            {"noise_multiplier": 4.0, "adaptive_clipping": ADAPTIVE},
            r"adaptive_clipping.bit_noise=2.0: must be above half the noise multiplier \(4\)",
        ),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        replace(SITE_PRIVACY, **changes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.0, 0.2, 1.0), "adaptive_clipping.target_quantile=0.0"),
        ((1.0, 0.2, 1.0), "adaptive_clipping.target_quantile=1.0"),
        ((0.5, 0.0, 1.0), "adaptive_clipping.learning_rate=0.0"),
        ((0.5, 0.2, 0.0), "adaptive_clipping.bit_noise=0.0"),
        ((0.5, 0.2, math.nan), "adaptive_clipping.bit_noise=nan"),
    ],
)
def test_adaptive_clipping_out_of_range_is_refused(
    values: tuple[float, float, float], message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        AdaptiveClipping(*values)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.9])
def test_updates_and_bits_together_cost_what_the_plan_says(noise: float) -> None:
    privacy = replace(SITE_PRIVACY, noise_multiplier=noise, adaptive_clipping=ADAPTIVE)
    # In units of their noise one site moves the sum of updates by 1 / z_delta, that of the bits
    # (each less a half) by (1/2) / sigma_b: two parts of one Gaussian mechanism.
    moved = math.hypot(
        1 / privacy.update_mechanism.update_noise_multiplier, 0.5 / ADAPTIVE.bit_noise
    )
    assert moved == pytest.approx(1 / noise)
    assert privacy.update_mechanism.update_noise_multiplier > noise
    assert privacy.spend_per_round == Spend(noise, 0.5, 1)


def test_without_adaptive_clipping_all_noise_is_on_the_updates() -> None:
    assert SITE_PRIVACY.update_mechanism.update_noise_multiplier == SITE_PRIVACY.noise_multiplier
    assert replace(SITE_PRIVACY, noise="site").spend_per_round == Spend(1.0, 1.0, 1)


@pytest.mark.parametrize(("expected", "bit_noise"), [(100.0, 5.0), (4.0, 1.5)])
def test_usual_bit_noise_is_the_papers_and_never_costs_much(
    expected: float, bit_noise: float
) -> None:
    assert usual_bit_noise(1.5, expected) == bit_noise
    adaptive = replace(ADAPTIVE, bit_noise=bit_noise)
    privacy = replace(SITE_PRIVACY, noise_multiplier=1.5, adaptive_clipping=adaptive)
    assert privacy.update_mechanism.update_noise_multiplier <= 1.5 * 2 / math.sqrt(3) * (1 + 1e-9)


PARAMETERS = {"weight": np.zeros(3, np.float32)}


@pytest.mark.parametrize(
    ("privacy", "clip_norm", "message"),
    [
        (samples.PUBLIC, 1.0, "only a site-level plan has one"),
        (samples.WINDOW_PRIVACY, 1.0, "only a site-level plan has one"),
        (SITE_PRIVACY, None, "must be the plan's, 1.0"),
        (SITE_PRIVACY, 2.0, "must be the plan's, 1.0"),
        (replace(SITE_PRIVACY, adaptive_clipping=ADAPTIVE), None, "must lie in"),
        (replace(SITE_PRIVACY, adaptive_clipping=ADAPTIVE), 0.0, "must lie in"),
        (replace(SITE_PRIVACY, adaptive_clipping=ADAPTIVE), math.nan, "must lie in"),
    ],
)
def test_an_instruction_has_the_clip_norm_that_its_plan_provides_for(
    privacy: PrivacyPlan, clip_norm: float | None, message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        Instruction(samples.plan(privacy), 1, PARAMETERS, clip_norm)


def test_the_rounds_clip_norm_and_the_sites_bit_travel() -> None:
    plan = samples.plan(replace(SITE_PRIVACY, adaptive_clipping=ADAPTIVE))
    sent = Instruction(plan, 3, PARAMETERS, 0.1 + 0.2)
    received = wire.InstructionReader().read(wire.InstructionWriter(sent).content())
    assert (received.plan, received.clip_norm) == (plan, 0.1 + 0.2)
    for bit in (True, False, None):
        update = LocalUpdate("anna", "run", 3, PARAMETERS, 1.0, bit)
        answer = wire.read_answer(wire.write_answer(update), PARAMETERS)
        assert isinstance(answer, LocalUpdate)
        assert answer.within_clip_norm is bit


def test_a_damaged_bit_or_clip_norm_is_refused() -> None:
    answer = wire.write_answer(LocalUpdate("anna", "run", 3, PARAMETERS, 1.0, True))
    answer.config_records["head"]["within_clip_norm"] = 1
    with pytest.raises(wire.WireError, match="within_clip_norm"):
        wire.read_answer(answer, PARAMETERS)
    asked = wire.InstructionWriter(Instruction(samples.plan(SITE_PRIVACY), 1, PARAMETERS, 1.0))
    content = asked.content()
    content.config_records["head"]["clip_norm"] = "1.0"
    with pytest.raises(wire.WireError, match="clip_norm"):
        wire.InstructionReader().read(content)


NODE = {
    "unit": "site", "noise": "server", "epsilon": 4.0, "delta": 1e-5, "noise_multiplier": None,
    "clip_norm": 1.0, "participation": 0.1, "accountant": "rdp", "weights": "uniform",
    "adaptive_clipping": None,
}  # fmt: skip
TRAINING = {
    "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0,
    "batch_size": 8, "local_epochs": 1, "proximal_mu": 0.0, "schedule": "constant",
}  # fmt: skip

CENTRAL = {"every": None}


def built(rounds: int = 40, sites: int = 500, **privacy: Any) -> RunPlan:
    config = {
        "rounds": rounds, "seed": 0, "training": TRAINING,
        "net": {"_target_": "models.nets.logistic.Logistic"}, "privacy": {**NODE, **privacy},
        "evaluation": CENTRAL, "compression": {"share": None},
    }  # fmt: skip
    return build_plan(config, "run", samples.TASK, FleetFacts(sites, 32, 64))


def planned(rounds: int = 40, sites: int = 500, **privacy: Any) -> SitePrivacyPlan:
    plan = built(rounds, sites, **privacy).privacy
    assert isinstance(plan, SitePrivacyPlan)
    return plan


@pytest.mark.parametrize("noise", ["server", "site"])
@pytest.mark.parametrize("rounds", [1, 40])
def test_calibrated_noise_meets_the_limit_over_all_rounds(noise: str, rounds: int) -> None:
    privacy = planned(rounds, noise=noise)
    spent = epsilon_of([privacy.spend_per_round] * rounds, privacy.delta, "rdp")
    assert 0.995 * 4.0 <= spent <= 4.0
    assert privacy.population == 500


def test_sampling_amplifies_the_servers_noise_alone() -> None:
    assert planned().noise_multiplier < 0.5 * planned(noise="site").noise_multiplier
    assert planned(participation=1.0).noise_multiplier == planned(noise="site").noise_multiplier


def test_given_noise_and_bit_noise_are_taken_as_they_are() -> None:
    adaptive = {"target_quantile": 0.5, "learning_rate": 0.2, "bit_noise": None}
    privacy = planned(noise_multiplier=0.75, adaptive_clipping=adaptive)
    assert privacy.noise_multiplier == 0.75
    assert privacy.adaptive_clipping == AdaptiveClipping(0.5, 0.2, 500 * 0.1 / 20)
    given = planned(adaptive_clipping={**adaptive, "bit_noise": 7.0}).adaptive_clipping
    assert given == AdaptiveClipping(0.5, 0.2, 7.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delta": 0.002}, r"privacy.delta=0.002: .*1/n = 0.002 \(n = 500 sites\)"),
        ({"participation": 0.0}, "privacy.participation=0.0"),
        ({"participation": "often"}, "privacy.participation=often"),
        ({"epsilon": 0.0}, "privacy.epsilon=0.0"),
    ],
)
def test_a_node_that_breaks_a_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        built(**changes)


def test_the_server_counts_every_round_for_every_site() -> None:
    tally = SpendTally(SITE_PRIVACY)
    for sites in (["a", "b"], [], ["c"]):
        tally.charge(sites)
    expected = epsilon_of([Spend(1.0, 0.5, 3)], 1e-5, "rdp")
    assert tally.epsilon() == pytest.approx(expected)


def test_with_the_sites_noise_a_round_counts_for_those_who_took_part() -> None:
    tally = SpendTally(replace(SITE_PRIVACY, noise="site"))
    for sites in (["a", "b"], [], ["b"], ["c"]):
        tally.charge(sites)
    assert tally.epsilon() == pytest.approx(epsilon_of([Spend(1.0, 1.0, 2)], 1e-5, "rdp"))


def test_what_was_spent_beside_the_rounds_counts_before_the_first_one() -> None:
    tally = SpendTally(replace(SITE_PRIVACY, noise="site"), [Spend(2.0, 1.0, 4)])
    assert tally.epsilon() == pytest.approx(epsilon_of([Spend(2.0, 1.0, 4)], 1e-5, "rdp"))


def test_lineage_tells_a_reader_what_protects_whom() -> None:
    lineage = _privacy_spent(
        samples.plan(replace(SITE_PRIVACY, adaptive_clipping=ADAPTIVE)), {"epsilon": 3.5}
    )
    assert lineage["unit"] == "site"
    assert (lineage["noise"], lineage["participation"], lineage["population"]) == ("server", 0.5, 6)
    assert (lineage["epsilon"], lineage["delta"]) == (3.5, 1e-5)
    assert lineage["noise_generator"] == "seeded"
    assert "Balle" in lineage["conversion"]
    assert _privacy_spent(samples.plan(NoPrivacy("uniform")), {})["unit"] == "none"


def test_a_net_that_sends_what_it_does_not_train_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def with_batch_norm() -> nn.Module:
        return nn.Sequential(nn.BatchNorm1d(16), nn.Linear(16, 3))

    net = own_net(monkeypatch, with_batch_norm)
    answer = check_task(local_task(samples.plan(SITE_PRIVACY, net=net)))
    assert answer is not None
    assert answer.reason is RefusalReason.PRIVACY
    assert "running_mean" in answer.detail
    assert check_task(local_task(samples.plan(net=net))) is None
    assert check_task(local_task(samples.plan(SITE_PRIVACY))) is None
