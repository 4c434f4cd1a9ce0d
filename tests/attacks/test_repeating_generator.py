"""A device whose generator repeats itself: the second update with the same noise does not leave."""

from pathlib import Path

import pytest
import torch

from fl_client.training.randomness import NoiseSource, SeededNoise, SystemNoise
from fl_client.training.stacked import local_round
from fl_common.plan import RunPlan
from fl_common.privacy.draws import DRAWS
from fl_common.vocabulary import RefusalReason
from tests.support.box import KINDS, Box, device_plan, trainer_of

PLAN = device_plan()
NOISE = {"opacus": "fl_client.training.opacus", "cohort": local_round.__name__}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_sound_device_sends_every_round(tmp_path: Path, kind: str) -> None:
    box = Box(tmp_path, trainer_of(kind))
    for round_ in range(1, 6):
        box.sends(PLAN, round_)


def test_a_fixed_seed_on_a_device(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{NOISE[kind]}.noise_source", lambda *_: SeededNoise(42))
    box = Box(tmp_path, trainer_of(kind))
    box.sends(PLAN, 1)
    box.refuses(PLAN, RefusalReason.PRIVACY, 2)


def test_every_second_rounds_noise_is_repeated(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(plan: RunPlan, site: str, round_: int) -> NoiseSource:
        return SystemNoise() if round_ % 2 else SeededNoise(42)

    monkeypatch.setattr(f"{NOISE[kind]}.noise_source", source)
    box = Box(tmp_path, trainer_of(kind))
    for round_ in (1, 2, 3):
        box.sends(PLAN, round_)
    box.refuses(PLAN, RefusalReason.PRIVACY, 4)


def test_a_generator_that_begins_anew_at_each_start(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Booted:
        generator = torch.Generator()

        def standard_normal(self, size: int) -> torch.Tensor:
            return torch.randn(size, generator=self.generator)

    monkeypatch.setattr(f"{NOISE[kind]}.noise_source", lambda *_: Booted())
    Booted.generator.manual_seed(7)
    box = Box(tmp_path, trainer_of(kind))
    for round_ in (1, 2):
        box.sends(PLAN, round_)
    box.ledger.close()
    DRAWS.forget()  # the process ends, and what it knew
    Booted.generator.manual_seed(7)
    Box(tmp_path, trainer_of(kind)).refuses(PLAN, RefusalReason.PRIVACY, 3)


def test_a_seed_that_forgets_the_round_in_a_simulation(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{NOISE[kind]}.noise_source", lambda *_: SeededNoise(42))
    box, plan = Box(tmp_path, trainer_of(kind)), device_plan(seed=0)
    box.sends(plan, 1)
    box.sends(plan, 1)  # a round that is repeated may repeat its noise
    box.refuses(plan, RefusalReason.PRIVACY, 2)
