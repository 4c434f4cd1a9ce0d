"""What noised counts tell of a model beside its accuracy: measures that rare labels decide, too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fl_common.vocabulary import Task
from fl_server.rounds.counts import NoisedCounts
from models.kinds import Measure, kind_of
from models.kinds.details import Estimate, details_of
from models.kinds.guesses import BALANCED, WORTH

ACCURACY = "accuracy"
MEASURES = (ACCURACY, BALANCED)
"""The measures that can decide."""

_NEARLY_ALL = 0.95

_NAMED = 5
"""So many labels are named of which nothing can be told."""


@dataclass(frozen=True)
class Told:
    """The further measures of one model, with their standard errors by noise and by chance.

    ``hidden`` are labels that are in none, ``always`` is the label that is named for nearly all
    windows, if there is one and this is no merit.
    """

    titles: tuple[Measure, ...] = ()
    measures: Mapping[str, Estimate] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    always: str | None = None

    @staticmethod
    def of(counts: NoisedCounts, task: Task | None) -> "Told":
        """What ``counts`` of windows of ``task`` tell; nothing without details."""
        details = details_of(task) if task else None
        if task is None or details is None or len(counts.details) != len(details.weights_M):
            return Told()
        counts = counts.beside_details
        sums_M = np.array(counts.details)
        noise_M = (counts.noise / details.weights_M) ** 2
        windows = Estimate(counts.total, counts.noise)
        measures = details.estimates(windows, sums_M, noise_M + sums_M.clip(0))
        named = details.named(sums_M)
        return Told(
            kind_of(task).measures,
            measures,
            details.hidden(sums_M, noise_M),
            _always(named, counts.total, measures.get(BALANCED)),
        )

    def values(self, who: str) -> Mapping[str, Any]:
        """For a verdict's values: the measures of ``who``, and what it always names."""
        told = {name: one.value for name, one in self.measures.items()}
        always = {f"{who}_always_names": self.always} if self.always else {}
        return {f"{who}_measures": told, **always} if told or always else {}

    def beside(self, other: "Told | None" = None, without: str = "") -> str:
        """``; balanced accuracy 0.812 against 0.790``: all measures but one, in words."""
        parts = []
        for title in self.titles:
            if title.name in self.measures and title.name != without:
                against = other.measures.get(title.name) if other else None
                then = f" against {title.shown(against.value)}" if against else ""
                parts.append(title.told(self.measures[title.name].value) + then)
        if self.always is not None:
            parts.append(f"it names {self.always!r} for nearly all windows")
        if self.hidden:
            more = f" and {len(self.hidden) - _NAMED} more" if len(self.hidden) > _NAMED else ""
            parts.append(f"nothing can be told of {', '.join(self.hidden[:_NAMED])}{more}")
        return "".join(f"; {part}" for part in parts)


def why_not_balanced(candidate: Told, production: Told) -> str | None:
    """Why the balanced accuracies can't be compared; None if they can."""
    if not (candidate.measures or production.measures or candidate.hidden):
        return (
            "the counts have none of single labels: evaluate with evaluation.details=true, or judge"
            " by gates.measure=accuracy"
        )
    if not (BALANCED in candidate.measures and BALANCED in production.measures):
        return "the noise is as large as the labels' counts: evaluate on more windows"
    if candidate.hidden != production.hidden:
        either = sorted({*candidate.hidden} ^ {*production.hidden})
        return f"noise hides {', '.join(either)} in one of the two: evaluate on more windows"
    return None


def _always(named: Mapping[str, float], windows: float, balanced: Estimate | None) -> str | None:
    if len(named) < 2 or (balanced is not None and balanced.value >= WORTH):
        return None
    label = max(named, key=lambda name: named[name])
    return label if named[label] >= _NEARLY_ALL * windows else None
