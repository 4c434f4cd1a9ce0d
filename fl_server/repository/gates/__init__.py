"""Gates: checks that a component must pass before it may be promoted.

A gate is a function of this package with the verdict's name. Its arguments are what it checks; its
result is a finding. It never raises for a bad component: that is a finding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "GateFinding",
]


@dataclass(frozen=True)
class GateFinding:
    """Whether a gate is passed, the reason in one sentence, and the figures and settings used."""

    passed: bool
    detail: str
    values: Mapping[str, Any] = field(default_factory=dict)


AGAINST = "against"
"""Among a finding's values: the digest of the component it was compared with, or None. The finding
is void once production has another one. None: there was nothing to compare with, which passes, as
a first model must, and says nothing of it.
"""
