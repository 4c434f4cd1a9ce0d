"""Details of an evaluation on the sites: sums from which more than a mean score follows.

A kind of task has them, if at all, in a file here.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from fl_common.vocabulary import Task
from models.kinds import (
    ANOMALY,
    CLASSIFICATION,
    FORECAST,
    MULTILABEL,
    REGRESSION,
    SEQUENCE,
    kind_of,
)
from models.kinds.details.ahead import AheadDetails
from models.kinds.details.labels import LabelDetails
from models.kinds.details.numbers import NumberDetails, QuantileDetails
from models.kinds.details.protocol import BesideGuess, Details, Estimate
from models.kinds.details.scored import ScoreDetails
from models.kinds.details.sets import SetDetails

__all__ = [
    "BesideGuess",
    "Details",
    "Estimate",
    "details_of",
]


def _of_numbers(task: Task) -> Details:
    is_mean = dict(task.kind.options)["quantile"] is None
    return NumberDetails(task) if is_mean else QuantileDetails(task)


_DETAILS: Mapping[str, Callable[[Task], Details]] = {
    CLASSIFICATION: LabelDetails,
    REGRESSION: _of_numbers,
    MULTILABEL: SetDetails,
    SEQUENCE: LabelDetails,
    FORECAST: AheadDetails,
    ANOMALY: ScoreDetails,
}


@lru_cache(maxsize=64)
def details_of(task: Task) -> Details | None:
    """The details of the kind of ``task``; None if it has none."""
    kind_of(task)  # which checks its options
    make = _DETAILS.get(task.kind.name)
    return make(task) if make else None
