"""A model beside a guess, which looks at no window: each kind has one (``TaskKind.guess``)."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from models.kinds.protocol import Measure, TaskKind

BALANCED = "balanced_accuracy"
WORTH = 0.6
"""The balanced accuracy from which on a model is worth it, whatever its accuracy: where nearly all
windows have one label, no other is more accurate than a guess."""


_PREFIX = "guess_"


def published_guess(kind: TaskKind, metrics: Mapping[str, float | None]) -> "Guess | None":
    """What ``Guess.metrics`` has published among ``metrics``; None: nothing."""
    first = kind.measures[0].name
    value = metrics.get(f"{_PREFIX}{first}")
    return None if value is None else Guess(kind.guess, {first: value})


def guess_on_sites(measure: str) -> str:
    """Under which name a guess's ``measure`` stands beside a model's, of an evaluation on sites.

    It is another one than ``Guess.metrics`` has, which are exact: this may have noise.
    """
    return f"{measure}_of_guess"


@dataclass(frozen=True)
class Guess:
    """What a guess on the same windows comes to: what it ``says``, and its ``measures`` by name."""

    says: str
    measures: Mapping[str, float]

    def fields(self) -> dict[str, Any]:
        """As JSON values, for ``summary.json``."""
        return asdict(self)

    def metrics(self, kind: TaskKind) -> dict[str, float]:
        """What is published beside a model's own measures: ``guess_accuracy``."""
        first = kind.measures[0].name
        return {f"{_PREFIX}{first}": self.measures[first]}

    def told(self, measure: Measure) -> str:
        """``0.190, by naming the most frequent label each time``."""
        return f"{measure.shown(self.measures[measure.name])}, by {self.says}"

    def beats(self, kind: TaskKind, measures: Mapping[str, float | None]) -> bool:
        """Whether it is better than a model with such ``measures``, by the kind's first one."""
        return self._is_over(kind, measures, by_more=True)

    def reaches(self, kind: TaskKind, measures: Mapping[str, float | None]) -> bool:
        """Whether it is as good as such a model, at least."""
        return self._is_over(kind, measures, by_more=False)

    def _is_over(
        self, kind: TaskKind, measures: Mapping[str, float | None], *, by_more: bool
    ) -> bool:
        first = kind.measures[0]
        own, guess = measures.get(first.name), self.measures.get(first.name)
        if own is None or guess is None or not (math.isfinite(own) and math.isfinite(guess)):
            return False
        if (measures.get(BALANCED) or 0.0) >= WORTH:
            return False
        worse = guess - own if first.higher_is_better else own - guess
        return worse > 0 or (worse == 0 and not by_more)
