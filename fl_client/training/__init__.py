"""Local training: one contract, several trainers.

A device is a cohort of one: a trainer takes any number of local tasks and returns an update or a
refusal for each, in order. A site's result never depends on the other sites in the cohort.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fl_common.plan import RunPlan
from fl_common.vocabulary import LocalUpdate, Parameters, Refusal, Windows

__all__ = [
    "LocalTask",
    "Trainer",
]


@dataclass(frozen=True)
class LocalTask:
    """One site's training in one round. The ledger has been debited when this value exists.

    ``windows`` are only those of the open blocks; ``parameters`` are the global ones.
    ``is_checked``: ``training.checks.check_task`` has accepted this task; a trainer checks any
    other.
    """

    plan: RunPlan
    site: str
    round: int
    parameters: Parameters
    windows: Windows
    is_checked: bool = False


class Trainer(Protocol):
    """Trains a cohort; keeps nothing between calls that changes a result."""

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        """A result for each task, in order; a refusal for a site whose training raises."""
        ...
