"""What every kind of task does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Doubles, Floats, Integers

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Measure:
    """A figure of a whole evaluation: its ``name`` in files, and its ``title`` for people.

    ``unit`` is that of a number; None: it is a share, of which 1 is all.
    """

    name: str
    title: str
    higher_is_better: bool
    unit: str | None = None

    def told(self, value: float) -> str:
        """Title and value: ``accuracy 0.871``, ``mean absolute error 12.3 Cel``."""
        return f"{self.title} {self.shown(value)}"

    def shown(self, value: float) -> str:
        """The value: a share as ``0.871``, a number with its unit as ``12.3 Cel``."""
        if self.unit is None:
            return f"{value:.3f}"
        return f"{value:.4g}" + (f" {self.unit}" if self.unit != "1" else "")


@dataclass(frozen=True)
class Pace:
    """How fast a linear layer on rows of one norm learns a kind: see ``models.nets.rates``.

    ``plain`` is the learning rate without DP. With DP-SGD ``way`` is how long all steps of a run
    may be together, and ``noise`` how much of it a parameter may have on that way, in clip norms.
    """

    plain: float
    way: float
    noise: float


LABELS, MEANS, QUANTILES = Pace(0.05, 72.0, 0.05), Pace(0.0125, 3.0, 0.1), Pace(0.05, 9.0, 0.05)
"""Measured: outputs that compete for a window, and one that all windows move alike."""
READINGS = Pace(0.05, 36.0, 0.05)
"""Labels of readings, of which one window has many that move a few parameters alike."""


class Truth(StrEnum):
    """What a window of a kind stands for, and so by what a box comes to know it.

    ``fl_client.windows.truths`` has a file for each.
    """

    LABEL = "label"
    """One of the task's labels, which people tell."""
    NUMBER = "number"
    """A number, which people tell."""
    SET = "set"
    """Several of the kind's labels, or none, which people tell."""
    READINGS = "readings"
    """One of the task's labels for each reading, which people tell."""
    AHEAD = "ahead"
    """The readings that follow it: nobody need tell them."""
    ODD = "odd"
    """Nothing, unless people tell that it is anomalous."""

    @property
    def needs_people(self) -> bool:
        """Whether a window of which nobody told anything is for nothing."""
        return self not in (Truth.AHEAD, Truth.ODD)


STEPS = 1024
"""Into how many a score that is a share is divided."""


def in_steps(score_N: Doubles) -> Doubles:
    """Scores from 0 to 1, each in the nearest of ``STEPS``."""
    return np.asarray(np.rint(score_N * STEPS) / STEPS)


class TaskKind(Protocol):
    """One kind of task. N windows; D outputs of the net for each.

    A *target* is what a trainer compares an output with, made from what a window is labelled with;
    an *answer* is what the published model gives; the *prediction* is the answer's essence (a
    label's index, or a number), in the form of what windows are labelled with.
    """

    @property
    def truth(self) -> Truth:
        """What a window stands for."""
        ...

    @property
    def ahead(self) -> int:
        """How many readings after a window belong to what it stands for."""
        ...

    @property
    def outputs(self) -> int:
        """How many numbers the net puts out for a window."""
        ...

    @property
    def answer(self) -> str:
        """The name of the published model's output that is used: (N, D)."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the answer's columns."""
        ...

    @property
    def span(self) -> float:
        """The size of an answer that is not small: what differences are taken relative to."""
        ...

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Figures of an evaluation; the first is the measure that decides."""
        ...

    @property
    def on_sites(self) -> Measure:
        """What a mean score on the sites stands for: the first measure, unless it has no mean."""
        ...

    @property
    def loss_name(self) -> str:
        """What the mean loss of windows is, in words."""
        ...

    @property
    def score_steps(self) -> int:
        """Into how many equal steps the scores from 0 to 1 are divided."""
        ...

    @property
    def guess_loss(self) -> float:
        """The mean loss of a blind guess, about."""
        ...

    @property
    def pace(self) -> Pace:
        """How fast it may be learnt."""
        ...

    @property
    def guess(self) -> str:
        """What needs no window: ``naming the most frequent label each time``."""
        ...

    def guessed(self, truth_N: NDArray[Any]) -> NDArray[Any]:
        """The predictions (N, ...) of ``guess``, beside which a model's stand.

        It knows what all windows stand for, but not which is which.
        """
        ...

    def why_unfit(self, labels_N: NDArray[Any]) -> tuple[str, str] | None:
        """What is wrong with labels, and the rule; None if windows can have all of them."""
        ...

    def fits_N(self, labels_N: NDArray[Any]) -> NDArray[np.bool_]:
        """Which labels a window of the task can have."""
        ...

    def alike(self, labels_N: NDArray[Any], among_M: NDArray[Any]) -> Integers:
        """Parts (N,) of windows that are learnt alike, where there are those of ``among_M``.

        A rule divides windows by them, and a site's mix is one of them.
        """
        ...

    def targets(self, labels_N: NDArray[Any]) -> NDArray[Any]:
        """Targets (N, ...) of labels that fit."""
        ...

    def drawn(self, count: int, generator: np.random.Generator) -> NDArray[Any]:
        """Labels (N, ...) of ``count`` made-up windows, at random and as far apart as can be."""
        ...

    def example_targets(self, count: int) -> NDArray[Any]:
        """Targets of ``count`` made-up windows, which differ where they can."""
        ...

    def losses(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """The loss of each window (N,): of its own outputs and target alone; vmap can map it."""
        ...

    def toward(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """The gradient (N, D) of each window's loss by its own outputs; a new tensor."""
        ...

    def predicted(self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor") -> "torch.Tensor":
        """Predictions (N, ...) from the net's outputs for windows ``values_N``."""
        ...

    def published(
        self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor"
    ) -> Mapping[str, "torch.Tensor"]:
        """The published model's outputs for ``values_N`` by name, in order; each is (N, D)."""
        ...

    def chosen(self, answers_ND: Floats) -> NDArray[Any]:
        """Predictions (N, ...) from finite answers."""
        ...

    def told(self, answer_D: Sequence[float]) -> Mapping[str, Any]:
        """The fields of a prediction's event, for one window's answer."""
        ...

    def heard(self, event: Mapping[str, Any]) -> NDArray[Any]:
        """The prediction (1, ...) of an event with the fields of ``told``."""
        ...

    def right(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[np.bool_]:
        """Which predictions are as good as right: as close to the truth as ``agree`` asks."""
        ...

    def words(self, answers_ND: Floats) -> tuple[str, ...]:
        """A word for each answer, by which it is counted; none where the label's name is that."""
        ...

    def said(self, answer_D: Sequence[float]) -> str:
        """One window's answer in a few words, for a person."""
        ...

    def label(self, answer_D: Sequence[float]) -> str:
        """The label of one window's answer, several joined by ``;``; empty: it is a number."""
        ...

    def agree(self, one_N: NDArray[Any], other_N: NDArray[Any]) -> NDArray[np.bool_]:
        """Which predictions (N, ...) of two models count as the same."""
        ...

    def scores(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """A score of each window, from 0 to 1 (right), in whole ``score_steps``."""
        ...

    def of_score(self, score: float) -> float:
        """The value of ``on_sites`` that a mean score stands for; linear."""
        ...

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[Any]:
        """Sums over windows, which may be added, and from which ``measured`` follows."""
        ...

    def measured(self, sums: NDArray[Any]) -> Mapping[str, float]:
        """The measures by name; NaN where the sums tell nothing of one."""
        ...
