"""What an engine returns: predictions for windows, named tensors, and its status."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Floats, NamedArrays


@dataclass(frozen=True)
class Prediction:
    """One model's predictions for N windows.

    ``answers_ND`` has a column for each of ``labels``: their probabilities, or the numbers that the
    task's kind answers with. A row is NaN if the window itself is not finite or no model could
    predict it (see ``answered_N``). ``seconds`` is the time in the model. ``counted_as`` is a word
    for each answer where none is a label, else empty.
    """

    digest: str
    labels: tuple[str, ...]
    answers_ND: Floats
    seconds: float
    counted_as: tuple[str, ...] = ()

    @property
    def answered_N(self) -> NDArray[np.bool_]:
        """True for the windows that have a prediction."""
        return np.asarray(np.isfinite(self.answers_ND).all(axis=1))


@dataclass(frozen=True)
class Inference:
    """The outputs by name, and the digest of the model that computed them."""

    digest: str
    outputs: NamedArrays


@dataclass(frozen=True)
class EngineStatus:
    """Which model serves, and what went wrong.

    ``digest`` is the model that serves (None: no model), ``wanted`` the slot's current version, and
    ``trouble`` why that does not serve. Counts are since the engine was made.
    """

    digest: str | None
    wanted: str | None
    trouble: str | None
    swaps: int
    failed_loads: int
    fallbacks: int
