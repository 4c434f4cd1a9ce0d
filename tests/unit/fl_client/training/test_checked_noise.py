"""Noise that was not drawn as planned is noticed after training."""

from typing import Any

import pytest
import torch

from fl_client.training.checked_noise import CheckedNoise
from fl_client.training.randomness import SeededNoise, SystemNoise
from fl_common.errors import PrivacyViolation

FOR = "a round"


@pytest.mark.parametrize("source", [SeededNoise(1), SystemNoise()])
@pytest.mark.parametrize(("steps", "size"), [(1, 2), (3, 40), (20, 5000)])
def test_good_noise_passes(source: Any, steps: int, size: int) -> None:
    watched = CheckedNoise(source, FOR)
    for _ in range(steps):
        assert watched.standard_normal(size).shape == (size,)
    watched.verify(steps, size)


@pytest.mark.parametrize(
    ("drawn", "steps", "size"), [(3, 4, 10), (4, 3, 10), (3, 3, 11), (0, 1, 5)]
)
def test_another_count_of_draws_is_a_violation(drawn: int, steps: int, size: int) -> None:
    watched = CheckedNoise(SeededNoise(1), FOR)
    for _ in range(drawn):
        watched.standard_normal(10)
    with pytest.raises(PrivacyViolation, match="draws"):
        watched.verify(steps, size)


class Scaled:
    def __init__(self, scale: float) -> None:
        self._scale, self._noise = scale, SeededNoise(1)

    def standard_normal(self, size: int) -> torch.Tensor:
        return self._scale * self._noise.standard_normal(size)


@pytest.mark.parametrize("scale", [0.0, 0.5, 0.9, 1.1, 3.0])
def test_noise_of_another_scale_is_a_violation(scale: float) -> None:
    watched = CheckedNoise(Scaled(scale), FOR)
    for _ in range(4):
        watched.standard_normal(1500)
    with pytest.raises(PrivacyViolation):
        watched.verify(4, 1500)


@pytest.mark.parametrize("drawn_for", [None, FOR])
def test_a_draw_that_comes_again_is_a_violation(drawn_for: str | None) -> None:
    first, last = torch.randn(500), torch.randn(500)
    draws = [first, torch.randn(500), first, last]
    watched = CheckedNoise(Given(draws), drawn_for)
    for _ in draws:
        watched.standard_normal(500)
    with pytest.raises(PrivacyViolation, match="drawn twice"):
        watched.verify(len(draws), 500)
    later = CheckedNoise(Given([last]), "another round" if drawn_for else None)
    later.standard_normal(500)
    with pytest.raises(PrivacyViolation, match="drawn twice"):
        later.verify(1, 500)


class Given:
    def __init__(self, draws: list[torch.Tensor]) -> None:
        self._draws = iter(draws)

    def standard_normal(self, size: int) -> torch.Tensor:
        return next(self._draws)


def test_a_seeded_round_may_be_repeated() -> None:
    for _ in range(2):
        watched = CheckedNoise(SeededNoise(1), FOR)
        for _ in range(3):
            watched.standard_normal(500)
        watched.verify(3, 500)
