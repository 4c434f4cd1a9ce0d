"""Kinds of tasks: what a net puts out for a window, what that is compared with, and how.

A task names its kind (``fl_common.vocabulary.KindSpec``). Everything that depends on it is one file
here: the number of outputs, the form of a target, the loss of one window, the measures, what the
published model answers, and when two answers agree. Training, evaluation, gates and boxes ask the
kind, and know none by name.

A box without PyTorch reads answers by it, too: no file here imports torch.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task
from models.kinds.classification import Classification
from models.kinds.protocol import Measure, TaskKind

__all__ = [
    "Measure",
    "TaskKind",
    "kind_of",
]

_KINDS: Mapping[str, Callable[[Task], TaskKind]] = {"classification": Classification}


@lru_cache(maxsize=64)
def kind_of(task: Task) -> TaskKind:
    """The kind of ``task``, ready for use.

    Raises:
        InvalidConfiguration: no such kind, or options that it can't have.
    """
    if task.kind.name not in _KINDS:
        rule = f"must be one of {', '.join(_KINDS)}"
        raise InvalidConfiguration(f"task.kind={task.kind.name}", rule, "Correct it")
    return _KINDS[task.kind.name](task)
