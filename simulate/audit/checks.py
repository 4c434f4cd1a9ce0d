"""One check of the mechanism: what was measured, what is due, and whether they agree.

Each check that passes by chance alone fails a sound mechanism in at most ``ERROR`` of all audits;
an audit makes fewer than 200 of them, so less than 1 audit of a million raises a false alarm.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from fl_common.vocabulary import Doubles

ERROR = 5e-9
"""False alarms of one test."""
LEEWAY = 0.02
"""What arithmetic may change of a variance: float32 sums, the grid, steps that are not tiny."""


@dataclass(frozen=True)
class Check:
    """``is_right`` is None where this plan or net does not let the test be made."""

    name: str
    measured: str
    due: str
    is_right: bool | None


def range_of_mean_square(count: int) -> tuple[float, float]:
    """Where the mean square of so many standard normals must lie."""
    low, high = stats.chi2.ppf([ERROR / 2, 1 - ERROR / 2], count) / count
    return float(low * (1 - LEEWAY)), float(high * (1 + LEEWAY))


def correlation(first: Doubles, second: Doubles) -> float:
    """Of numbers with mean zero."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths else 1.0


def within(name: str, value: float, low: float, high: float, form: str = ".4g") -> Check:
    """A check that ``value`` lies from ``low`` to ``high``."""
    due = f"{low:{form}} to {high:{form}}"
    return Check(name, f"{value:{form}}", due, bool(low <= value <= high))
