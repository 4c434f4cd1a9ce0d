"""Local training: one contract, several trainers.

A device is a cohort of one: a trainer takes any number of local tasks and answers each, in order,
with an update or a refusal. What a site answers never depends on who else is in the cohort.
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

    ``windows`` are those of the open blocks only; ``parameters`` are the global ones.
    ``is_checked`` where ``training.checks.check_task`` has found nothing wrong with just these; a
    trainer checks what is not.
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
        """An answer for each task, in order. A site whose training raises becomes a refusal."""
        ...
