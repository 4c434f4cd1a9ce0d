"""Was the noise of the Gaussian mechanism really drawn? Every trainer asks after it has trained."""

from collections.abc import Hashable

import torch

from fl_client.training.randomness import NoiseSource
from fl_common.errors import PrivacyViolation
from fl_common.privacy.draws import DRAWS, DrawHistory
from fl_common.privacy.noise import check_standard_normal


class CheckedNoise:
    """A noise source with a check, afterwards, that noise was drawn and looks Gaussian.

    ``verify`` detects a generator that is frozen, repeats itself, returns zeros or has the wrong
    scale, and a step without a draw; it can't prove a generator correct. ``drawn_for`` says what
    seeded noise is drawn for, and may be drawn for again (``randomness.drawn_for``).
    """

    def __init__(self, source: NoiseSource, drawn_for: Hashable | None) -> None:
        self._source, self._drawn_for = source, drawn_for
        self._own = DrawHistory()
        self._draws = 0
        self._numbers = 0
        self._sum_of_squares = 0.0
        self._repeated: PrivacyViolation | None = None

    def standard_normal(self, size: int) -> torch.Tensor:
        """Shape (size,), from the checked source."""
        noise = self._source.standard_normal(size)
        try:
            self._own.check(noise.numpy(), None)
            DRAWS.check(noise.numpy(), self._drawn_for)
        except PrivacyViolation as error:
            self._repeated = error
        self._draws += 1
        self._numbers += noise.numel()
        self._sum_of_squares += float(torch.dot(noise, noise))
        return noise

    def verify(self, steps: int, size: int) -> None:
        """Raise PrivacyViolation unless each of ``steps`` steps drew ``size`` plausible numbers."""
        if (self._draws, self._numbers) != (steps, steps * size):
            raise PrivacyViolation(
                f"{self._draws} draws of {self._numbers} numbers in all: every one of {steps} steps"
                f" must add noise to all {size} parameters. The update is withheld."
            )
        if self._repeated is not None:
            raise self._repeated
        check_standard_normal(self._sum_of_squares, self._numbers)
