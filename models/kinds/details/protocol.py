"""What the details of a kind of task are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from fl_common.vocabulary import Doubles

CLEAR = 3.0
"""Standard errors that what a figure is divided by must exceed."""


@dataclass(frozen=True)
class Estimate:
    """A figure that follows from noised sums, and its standard error, to first order."""

    value: float
    error: float


@dataclass(frozen=True)
class BesideGuess:
    """By the ``measure`` of this name: the model's ``own``, and that of its kind's ``guess``."""

    measure: str
    own: Estimate
    guess: Estimate


class Details(Protocol):
    """Sums (M,) over held-out windows, beside those of the score, of the windows and of the loss.

    What one window adds is between -1 and 1, in whole parts of 1/``steps``. With each detail times
    its weight, a window's score and details together have an L2 norm of at most sqrt(2), whatever
    is true and predicted: ``fl_common.privacy.evaluation`` rests on that.
    """

    @property
    def steps(self) -> int:
        """Into how many equal steps what a window adds is divided."""
        ...

    @property
    def weights_M(self) -> Doubles:
        """Above 0: a detail's noise is that of a count over its weight."""
        ...

    @property
    def guessed(self) -> str:
        """The name of the measure by which ``beside_guess`` compares."""
        ...

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """The details of windows with these labels, and with predictions as their kind has them."""
        ...

    def estimates(
        self, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> Mapping[str, Estimate]:
        """The measures, by name, that follow from sums over so many ``windows``.

        ``variances_M`` are those of the sums by noise, and what else they are to include. A measure
        that noise hides is not among them.
        """
        ...

    def beside_guess(
        self, score: Estimate, windows: Estimate, sums_M: Doubles, variances_M: Doubles
    ) -> BesideGuess | None:
        """A model with this mean ``score`` beside its kind's guess; None: the sums don't tell."""
        ...

    def possible(self, sums_M: Doubles, windows: float, slack_M: Doubles) -> Doubles:
        """``sums_M`` cut to what so many windows can give, give or take so much for each sum."""
        ...

    def hidden(self, sums_M: Doubles, variances_M: Doubles) -> tuple[str, ...]:
        """The labels that are in no measure, because noise hides their windows."""
        ...

    def named(self, sums_M: Doubles) -> Mapping[str, float]:
        """For how many windows, about, each label was predicted; empty where none are."""
        ...
