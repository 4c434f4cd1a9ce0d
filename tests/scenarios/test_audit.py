"""The audit over real runs: it finds what is not protected, and nothing where all is well."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from fl_client.training import LocalTask, Trainer
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_common import params
from fl_common.errors import RunFailed
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import calibrate_noise
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import LocalUpdate, Parameters, Refusal, Windows
from fl_server.aggregation.mean import WeightedMean
from fl_server.optimisers.averaging import FedAvg
from fl_server.rounds.report import RoundReport
from fl_server.rounds.sampling import ClientSampling
from fl_server.rounds.strategy import Federation
from models.nets import build_net, parameters_of
from simulate.__main__ import main
from simulate.audit import experiment as module
from simulate.audit.attacker import Attacker
from simulate.audit.canaries import WorldWithCanaries, draw_canaries
from simulate.audit.experiment import Experiment
from simulate.audit.guesses import GuessRule
from simulate.audit.report import Audit
from simulate.engines.members import roster_of
from simulate.home import Home
from simulate.world import TestSet
from tests.support import samples

RULE = GuessRule((0.9, 0.5, 0.2), 0.95)
DELTA = 1e-5
TASK = replace(
    samples.TASK, channels=("x",), units=("g",), window_shape=(1000, 1), center=(0.5,), scale=(2.0,)
)


@dataclass(frozen=True)
class SmallWorld:
    """Two sites with few windows each."""

    own_windows: int = 24
    task = TASK
    sites = ("anna", "bert")

    def windows(self, index: int) -> Windows:
        return samples.windows(self.own_windows, seed=index, task=TASK)

    def test(self) -> TestSet:
        return TestSet(samples.windows(8, task=TASK), np.zeros(8, np.int64), ("all",))


def at_epsilon(epsilon: float, rate: float, rounds: int) -> WindowPrivacyPlan:
    """A plan that spends ``epsilon`` in ``rounds`` rounds of two passes."""
    steps = round(2 / rate)
    noise = calibrate_noise(epsilon, DELTA, rate, steps * rounds, "rdp")
    return replace(
        samples.WINDOW_PRIVACY,
        noise_multiplier=noise, sampling_rate=rate, steps=steps, delta=DELTA,
        epsilon_limit=epsilon,
    )  # fmt: skip


def audited(
    folder: Path,
    privacy: WindowPrivacyPlan | NoPrivacy,
    trainer: Trainer,
    canaries: int = 1000,
    world: SmallWorld = SmallWorld(),
    on_round: Callable[[RoundReport], None] = lambda report: None,
) -> Audit:
    """An audit of three rounds; the site at position 1 has the canaries."""
    plan = samples.plan(privacy, {"learning_rate": 0.05}, task=TASK, rounds=3)
    run = experiment(plan, canaries, world)
    return run.audit(trainer, RULE, DELTA, Home(folder), on_round)


def experiment(plan: RunPlan, canaries: int, world: SmallWorld) -> Experiment:
    federation = Federation(
        plan=plan,
        aggregator=WeightedMean(),
        optimiser=FedAvg(1.0),
        sampling=ClientSampling(None, 1.0, 1),
        roster=roster_of(world.sites),
        round_timeout_s=60.0,
        poll_interval_s=0.01,
    )
    drawn = draw_canaries("dirac", TASK, canaries, 30.0, np.random.default_rng(7))
    return Experiment(federation, world, 1, drawn)


class Doctored:
    """A trainer that is given another privacy plan than the run's: what is claimed is not done."""

    def __init__(self, change: Callable[[WindowPrivacyPlan], WindowPrivacyPlan]) -> None:
        self._change, self._inner = change, OpacusTrainer()

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        return self._inner.train([self._doctored(task) for task in cohort])

    def _doctored(self, task: LocalTask) -> LocalTask:
        privacy = task.plan.privacy
        assert isinstance(privacy, WindowPrivacyPlan)
        return replace(task, plan=replace(task.plan, privacy=self._change(privacy)))


def without_clipping(privacy: WindowPrivacyPlan) -> WindowPrivacyPlan:
    """Noise for the plan's clip norm, which is not applied."""
    return replace(
        privacy,
        clip_norm=1000 * privacy.clip_norm,
        noise_multiplier=privacy.noise_multiplier / 1000,
    )


def without_sampling(privacy: WindowPrivacyPlan) -> WindowPrivacyPlan:
    """Every window in each step, with the noise that a sample of them would need."""
    return replace(privacy, sampling_rate=1.0)


def without_enough_noise(privacy: WindowPrivacyPlan) -> WindowPrivacyPlan:
    """A tenth of the noise that the plan has."""
    return replace(privacy, noise_multiplier=privacy.noise_multiplier / 10)


def test_without_dp_the_bound_exceeds_five(tmp_path: Path) -> None:
    audit = audited(tmp_path, samples.PUBLIC, OpacusTrainer())
    assert audit.bound > 5.0
    assert audit.claimed is None
    assert not audit.is_refuted  # nothing was claimed
    assert "no protection better than epsilon 5" in audit.verdict


@pytest.mark.parametrize("rate", [1.0, 0.2])
@pytest.mark.parametrize("make", [OpacusTrainer, lambda: CohortTrainer(64)])
def test_at_epsilon_two_the_bound_stays_below_it(
    tmp_path: Path, rate: float, make: Callable[[], Trainer]
) -> None:
    audit = audited(tmp_path, at_epsilon(2.0, rate, rounds=3), make())
    assert audit.claimed == pytest.approx(2.0, rel=1e-3)
    assert 0.2 < audit.bound < 2.0  # above 0.2: the attack has teeth
    assert not audit.is_refuted
    assert audit.rounds == 3


@pytest.mark.parametrize(
    ("change", "rate"),
    [
        (without_clipping, 1.0),
        (without_clipping, 0.2),
        (without_sampling, 0.05),
        (without_enough_noise, 1.0),
    ],
)
def test_a_mechanism_that_is_not_the_planned_one_is_caught(
    tmp_path: Path, change: Callable[[WindowPrivacyPlan], WindowPrivacyPlan], rate: float
) -> None:
    audit = audited(tmp_path, at_epsilon(2.0, rate, rounds=3), Doctored(change))
    assert audit.claimed == pytest.approx(2.0, rel=1e-3)
    assert audit.bound > 2.0
    assert audit.is_refuted
    assert audit.verdict.startswith("REFUTED")


def test_what_the_attacker_knows_to_be_in_the_data_does_not_hide_the_canaries(
    tmp_path: Path,
) -> None:
    """Three hundred windows of the site's own, whose gradients all point one way."""
    privacy = at_epsilon(8.0, 1.0, rounds=3)
    audit = audited(tmp_path, privacy, OpacusTrainer(), world=SmallWorld(own_windows=300))
    assert 2.0 < audit.bound < 8.0


def test_each_update_is_judged_at_the_parameters_that_its_round_began_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Parameters] = []

    class Recording(Attacker):
        def see(self, parameters: Parameters, delta: Parameters) -> None:
            seen.append(parameters)
            super().see(parameters, delta)

    monkeypatch.setattr(module, "Attacker", Recording)
    ends: list[Parameters] = []
    audited(
        tmp_path, samples.PUBLIC, OpacusTrainer(), 20, on_round=lambda r: ends.append(r.parameters)
    )
    assert len(seen) == 3
    assert not any(array.any() for array in seen[0].values())  # a logistic net begins at zero
    assert [params.digest(p) for p in seen[1:]] == [params.digest(p) for p in ends[:2]]
    assert len({params.digest(p) for p in seen}) == 3


def test_guesses_do_not_depend_on_the_coins_but_through_the_updates() -> None:
    """The attacker is given neither the coins nor the site's data with the canaries in."""
    plan = samples.plan(task=TASK)
    canaries = draw_canaries("dirac", TASK, 50, 30.0, np.random.default_rng(1))
    world = SmallWorld()
    attacker = Attacker(plan, world.windows(1), canaries.windows)
    nothing = parameters_of(build_net(plan.net, plan.task))
    attacker.see(nothing, {name: 0 * array for name, array in nothing.items()})
    assert not attacker.scores_M.any()
    assert len(WorldWithCanaries(world, 1, canaries).windows(1)) == 24 + canaries.included_M.sum()
    assert len(WorldWithCanaries(world, 1, canaries).windows(0)) == 24


class OneSiteRefuses(OpacusTrainer):
    """Answers for one site only."""

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        spoilt = [
            replace(t, windows=replace(t.windows, values=t.windows.values * np.float32(np.nan)))
            if t.site == "bert"
            else t
            for t in cohort
        ]
        return super().train(spoilt)


def test_a_site_that_sends_nothing_can_not_be_audited(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"bert sent no update.*refuses \(data\)"):
        audited(tmp_path, samples.PUBLIC, OneSiteRefuses(), canaries=10)


class LooseTrainer(Doctored):
    """Clips a thousand times too late: for the command line below."""

    def __init__(self) -> None:
        super().__init__(without_clipping)


QUICK = ["simulate", "audit", "sites=2", "rounds=2", "privacy.epsilon=2", "audit.canaries=300"]


def exit_status() -> object:
    """What the program ends with; None where it ends by itself."""
    try:
        main()
    except SystemExit as ended:
        return ended.code
    return None


@pytest.mark.parametrize(("trainer", "status"), [(None, None), ("LooseTrainer", 1)])
def test_the_command_ends_with_its_verdict(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trainer: str | None,
    status: int | None,
) -> None:
    arguments = [*QUICK, "training=opacus", f"hydra.run.dir={tmp_path}"]
    if trainer:
        arguments.append(f"training.trainer._target_={__name__}.{trainer}")
    monkeypatch.setattr(sys, "argv", arguments)
    assert exit_status() == status
    written, shown = json.loads((tmp_path / "audit.json").read_text()), capsys.readouterr().out
    assert written["refuted"] == bool(status)
    assert (written["bound"] > written["claimed_epsilon"]) == bool(status)
    assert sum(guess["right"] > guess["made"] / 2 for guess in written["guesses"]) >= 2
    assert written["verdict"] in shown
    wrong = {check["name"] for check in written["checks"] if check["is_right"] is False}
    assert ("sensitivity: one window" in wrong) == bool(wrong) == bool(status)
    assert all(words in shown for words in ("does not prove the claim", " for a reading"))
    assert written["claimed_epsilon_per_reading"] > 2 * written["claimed_epsilon"] > 3


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("privacy=site", "privacy=window"),
        ("audit.site=2", "0 to 1"),
        ("resume=outputs", "Leave it out"),
        ("audit.confidence=1", "confidence"),
        ("audit.owl=1", "audit.owl"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    override: str,
    match: str,
) -> None:
    arguments = ["simulate", "audit", "sites=2", f"hydra.run.dir={tmp_path}", override]
    monkeypatch.setattr(sys, "argv", arguments)
    assert exit_status() == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert match in lines[0]
