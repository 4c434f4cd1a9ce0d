"""Kinds of tasks: what a net puts out for a window, what that is compared with, and how.

A task names its kind (``fl_common.vocabulary.KindSpec``). Everything that depends on it is one file
here: the number of outputs, the form of a target, the loss of one window, the measures, what the
published model answers, and when two answers agree. Training, evaluation, gates and boxes ask the
kind, and know none by name.

A box without PyTorch reads answers by it, too: no file here imports torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import KindSpec, Task
from models.kinds.anomaly import ANOMALY, Anomaly, anomaly
from models.kinds.classification import Classification
from models.kinds.forecast import FORECAST, Forecast, forecast
from models.kinds.multilabel import MULTILABEL, Multilabel
from models.kinds.protocol import Measure, TaskKind, Truth
from models.kinds.regression import REGRESSION, Regression, numbers
from models.kinds.sequence import SEQUENCE, Sequences

__all__ = [
    "ANOMALY",
    "CLASSIFICATION",
    "FORECAST",
    "KINDS",
    "MULTILABEL",
    "REGRESSION",
    "SEQUENCE",
    "Measure",
    "TaskKind",
    "Truth",
    "kind_of",
]

CLASSIFICATION = KindSpec().name


@dataclass(frozen=True)
class _Kind:
    """What serves its tasks, what declares it, and which options of ``declared`` that takes."""

    serve: Callable[[Task], TaskKind]
    declare: Callable[..., KindSpec]
    takes: tuple[str, ...] = ()


_KINDS: Mapping[str, _Kind] = {
    CLASSIFICATION: _Kind(Classification, KindSpec),
    REGRESSION: _Kind(Regression, numbers, ("range", "unit", "quantile")),
    FORECAST: _Kind(Forecast, forecast, ("horizon",)),
    ANOMALY: _Kind(Anomaly, anomaly, ("quantile",)),
    MULTILABEL: _Kind(Multilabel, partial(KindSpec, MULTILABEL)),  # labels: see models.tasks
    SEQUENCE: _Kind(Sequences, partial(KindSpec, SEQUENCE)),
}

KINDS = tuple(_KINDS)
"""The names of all kinds."""


def declared(
    kind: str = CLASSIFICATION,
    range: Any = None,
    unit: str | None = None,
    quantile: float | None = None,
    horizon: int | None = None,
) -> KindSpec:
    """The kind that a person has declared under ``task``: see docs/reference/kinds.md.

    Raises:
        InvalidConfiguration: no such kind, or a value that it lacks, has not, or can't have.
    """
    _check_known(kind)
    given = {"range": range, "unit": unit, "quantile": quantile, "horizon": horizon}
    for name, value in given.items():
        if value is not None and name not in _KINDS[kind].takes:
            wanted = next(other for other, one in _KINDS.items() if name in one.takes)
            rule = f"is for {wanted}, and task.kind is {kind}"
            remedy = f"Set task.kind={wanted}, or leave it out"
            raise InvalidConfiguration(f"task.{name}={value}", rule, remedy)
    return _KINDS[kind].declare(**{name: given[name] for name in _KINDS[kind].takes})


def learns_scores(task: Task) -> bool:
    """Whether a net for ``task`` scores windows by itself, and learns from no label."""
    return task.kind.name == ANOMALY


@lru_cache(maxsize=64)
def kind_of(task: Task) -> TaskKind:
    """The kind of ``task``, ready for use.

    Raises:
        InvalidConfiguration: no such kind, or options that it can't have.
    """
    _check_known(task.kind.name)
    try:
        return _KINDS[task.kind.name].serve(task)
    except TypeError as error:
        raise InvalidConfiguration(
            f"task.kind={task.kind.name} with {dict(task.kind.options)}",
            f"has not the values of this kind ({error})",
            "Declare the task with this version",
        ) from error


def names_labels(kind: KindSpec) -> bool:
    """Whether what is learnt are labels with names, of windows or of readings."""
    return kind.name in (CLASSIFICATION, SEQUENCE)


def _check_known(name: str) -> None:
    if name not in _KINDS:
        rule = f"must be one of {', '.join(_KINDS)}"
        raise InvalidConfiguration(f"task.kind={name}", rule, "Correct it")
