"""What was asked of a network, by which its version is kept or rolled back."""

from dataclasses import dataclass

import numpy as np

from fl_common.vocabulary import Floats

_TIMES_SLOWER = 3.0


@dataclass
class Asked:
    """Questions, those without a finite answer, and seconds."""

    questions: int = 0
    failed: int = 0
    seconds: float = 0.0

    def note(self, seconds: float, *, failed: bool) -> None:
        """Count a question."""
        self.questions += 1
        self.failed += int(failed)
        self.seconds += seconds


def speaks_against(values: Floats, took: float, allowed: float, usual: float | None) -> bool:
    """Whether it speaks against a network that it had no answer to ``values``.

    It took so many seconds of those that were ``allowed``, and takes so many as a rule (None: not
    known). A function may ask about no numbers, or leave it no time, and that is its own fault.
    """
    if not np.isfinite(values).all():
        return False
    return took < allowed or (usual is not None and took > _TIMES_SLOWER * usual)
