"""Gates: what a component must pass before it may be promoted.

A gate is a function of this package with the verdict's name: what it judges is an argument, and
what it finds is its result. It raises nothing for a bad component: that is a finding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "GateFinding",
]


@dataclass(frozen=True)
class GateFinding:
    """Whether a gate is passed, why in one sentence, and the figures and settings used."""

    passed: bool
    detail: str
    values: Mapping[str, Any] = field(default_factory=dict)


AGAINST = "against"
"""Among a finding's values: the digest of the component it was compared with, None for none. The
finding is worth nothing once production has another one.
"""
