"""What an engine answers: predictions for windows, named tensors, and how it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Floats, NamedArrays


@dataclass(frozen=True)
class Prediction:
    """What one model says of N windows.

    ``probabilities_NK`` has a column for each of ``labels``; a row is NaN where the window itself
    is not finite or no model has an answer to it (``answered_N``). ``seconds`` is the time in the
    model.
    """

    digest: str
    labels: tuple[str, ...]
    probabilities_NK: Floats
    seconds: float

    @property
    def answered_N(self) -> NDArray[np.bool_]:
        """True for the windows that have an answer."""
        return np.asarray(np.isfinite(self.probabilities_NK).all(axis=1))


@dataclass(frozen=True)
class Inference:
    """The outputs by name, and the digest of the model that gave them."""

    digest: str
    outputs: NamedArrays


@dataclass(frozen=True)
class EngineStatus:
    """What serves, and what went wrong.

    ``digest`` serves (None: nothing does); ``wanted`` is what the slot asks for, and ``trouble``
    why that does not serve. The counts are since the engine was made.
    """

    digest: str | None
    wanted: str | None
    trouble: str | None
    swaps: int
    failed_loads: int
    fallbacks: int
