"""The audit over real runs: it finds what is not protected, and nothing where all is well."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_client.training import LocalTask, Trainer
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.plan import RunPlan
from fl_common.privacy import NoPrivacy, PrivacyPlan, calibrate_noise
from fl_common.vocabulary import LocalUpdate, Refusal, Windows
from fl_server.aggregation import WeightedMean
from fl_server.optimisers import FedAvg
from fl_server.sampling import ClientSampling
from fl_server.strategy import Federation
from models.nets import build_net, parameters_of
from simulate.__main__ import main
from simulate.audit.attacker import Attacker
from simulate.audit.canaries import WorldWithCanaries, draw_canaries
from simulate.audit.experiment import Experiment
from simulate.audit.guesses import GuessRule
from simulate.audit.report import Audit
from simulate.home import Home
from simulate.world import TestSet
from tests import samples

RULE = GuessRule((0.9, 0.5, 0.2), 0.95)
DELTA = 1e-5
TASK = replace(
    samples.TASK, channels=("x",), units=("g",), window_shape=(1000, 1), center=(0.5,), scale=(2.0,)
)


class SmallWorld:
    """Two sites with few windows each."""

    task = TASK
    sites = ("anna", "bert")

    def windows(self, index: int) -> Windows:
        return samples.windows(24, seed=index, task=TASK)

    def test(self) -> TestSet:
        return TestSet(samples.windows(8, task=TASK), np.zeros(8, np.int64), ("all",))


def at_epsilon(epsilon: float, rate: float, rounds: int) -> PrivacyPlan:
    """A plan that spends ``epsilon`` in ``rounds`` rounds of two passes."""
    steps = round(2 / rate)
    noise = calibrate_noise(epsilon, DELTA, rate, steps * rounds, "rdp")
    return replace(
        samples.WINDOW_PRIVACY,
        noise_multiplier=noise, sampling_rate=rate, steps=steps, delta=DELTA,
        epsilon_limit=epsilon,
    )  # fmt: skip


def audited(
    folder: Path, privacy: PrivacyPlan | NoPrivacy, trainer: Trainer, canaries: int = 1000
) -> Audit:
    """An audit of three rounds; the site at position 1 has the canaries."""
    plan = samples.plan(privacy, {"learning_rate": 0.05}, task=TASK, rounds=3)
    return experiment(plan, canaries).audit(trainer, RULE, DELTA, Home(folder), lambda _: None)


def experiment(plan: RunPlan, canaries: int) -> Experiment:
    federation = Federation(
        plan=plan,
        aggregator=WeightedMean(),
        optimiser=FedAvg(1.0),
        sampling=ClientSampling(None, 1.0, 1),
        roster=lambda grid: list(grid.get_node_ids()),
        round_timeout_s=60.0,
        poll_interval_s=0.01,
    )
    drawn = draw_canaries("dirac", TASK, canaries, 30.0, np.random.default_rng(7))
    return Experiment(federation, SmallWorld(), 1, drawn)


class Doctored:
    """A trainer that is given another privacy plan than the run's: what is claimed is not done."""

    def __init__(self, change: Callable[[PrivacyPlan], PrivacyPlan]) -> None:
        self._change, self._inner = change, OpacusTrainer()

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        return self._inner.train([self._doctored(task) for task in cohort])

    def _doctored(self, task: LocalTask) -> LocalTask:
        privacy = task.plan.privacy
        assert isinstance(privacy, PrivacyPlan)
        return replace(task, plan=replace(task.plan, privacy=self._change(privacy)))


def without_clipping(privacy: PrivacyPlan) -> PrivacyPlan:
    """Noise for the plan's clip norm, which is not applied."""
    return replace(
        privacy,
        clip_norm=1000 * privacy.clip_norm,
        noise_multiplier=privacy.noise_multiplier / 1000,
    )


def without_sampling(privacy: PrivacyPlan) -> PrivacyPlan:
    """Every window in each step, with the noise that a sample of them would need."""
    return replace(privacy, sampling_rate=1.0)


def without_enough_noise(privacy: PrivacyPlan) -> PrivacyPlan:
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
    tmp_path: Path, change: Callable[[PrivacyPlan], PrivacyPlan], rate: float
) -> None:
    audit = audited(tmp_path, at_epsilon(2.0, rate, rounds=3), Doctored(change))
    assert audit.claimed == pytest.approx(2.0, rel=1e-3)
    assert audit.bound > 2.0
    assert audit.is_refuted
    assert audit.verdict.startswith("REFUTED")


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


def test_coins_are_fair_and_their_own() -> None:
    drawn = [
        draw_canaries("dirac", TASK, 1000, 30.0, np.random.default_rng(seed)) for seed in range(40)
    ]
    coins = np.array([canaries.included_M for canaries in drawn])
    assert abs(coins.mean() - 0.5) < 5 * 0.5 / np.sqrt(coins.size)
    by_label = [c.included_M[c.windows.labels == 0].mean() for c in drawn]
    assert abs(np.mean(by_label) - 0.5) < 0.02


@pytest.mark.parametrize("kind", ["dirac", "noise"])
def test_a_canary_stands_out_by_the_amplitude_in_the_tasks_scale(kind: str) -> None:
    drawn = draw_canaries(kind, TASK, 30, 5.0, np.random.default_rng(1)).windows
    normalised = (drawn.values - TASK.center[0]) / TASK.scale[0]
    if kind == "dirac":
        assert np.array_equal(np.sort(normalised.reshape(30, -1), axis=1)[:, -2:], [[0, 5]] * 30)
        places = normalised.reshape(30, -1).argmax(1)
        assert len(set(places.tolist())) == 30
    else:
        assert np.std(normalised) == pytest.approx(5.0, rel=0.05)


def test_canaries_of_one_reading_differ_in_their_label() -> None:
    task = replace(TASK, window_shape=(4, 1))
    drawn = draw_canaries("dirac", task, 8, 30.0, np.random.default_rng(1)).windows
    places = drawn.values.reshape(8, -1).argmax(1)
    assert len({*zip(places.tolist(), drawn.labels.tolist(), strict=True)}) == 8


@pytest.mark.parametrize(
    ("kind", "count", "amplitude", "match"),
    [
        ("owl", 10, 1.0, "must be one of dirac, noise"),
        ("dirac", 1, 1.0, "from 2"),
        ("dirac", 2001, 1.0, "Lower it to 2000"),
        ("noise", 10, 0.0, "above 0"),
    ],
)
def test_canaries_that_can_not_be_made_are_refused(
    kind: str, count: int, amplitude: float, match: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=match):
        draw_canaries(kind, TASK, count, amplitude, np.random.default_rng(1))


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
    assert "does not prove the claim" in shown


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
