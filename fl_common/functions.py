"""Functions over predictions, and function components: an installed class with arguments.

A function component has no code. Its ``function.json`` names a class and its constructor's
arguments. A site runs it only if its operator has installed and allowed that class. So even a
stolen signing key can only set arguments, and never bring code.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from fl_common.errors import InvalidData, JoinTheDotsError
from fl_common.plugins.kinds import FUNCTION, check_extension

__all__ = [
    "Function",
    "FunctionEvent",
    "Predicted",
    "Remembering",
    "fixed_predictions",
]

FUNCTION_FILE = "function.json"
"""The one file of a function component."""
_FIELDS = {"class", "arguments", "labels"}
_STANDS = 8
_CERTAIN = 0.97


@dataclass(frozen=True, slots=True)
class Predicted:
    """The model's prediction for one window: ``probabilities`` in the order of ``labels``."""

    start_ns: int
    """First instant of the window, nanoseconds since 1970."""
    end_ns: int
    """First instant after the window."""
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    stream: str = ""
    """The window's stream, such as a machine; empty where a box has only one."""

    @property
    def label(self) -> str:
        """The most probable label."""
        return self.labels[self.probabilities.index(max(self.probabilities))]

    def probability(self, label: str) -> float:
        """The probability of ``label``; 0 for a label that the model does not have."""
        return dict(zip(self.labels, self.probabilities, strict=True)).get(label, 0.0)

    def to_fields(self) -> dict[str, Any]:
        """As JSON values; see ``from_fields``."""
        return {
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "labels": self.labels,
            "probabilities": self.probabilities,
            "stream": self.stream,
        }

    @staticmethod
    def from_fields(fields: Mapping[str, Any]) -> "Predicted":
        """What ``to_fields`` has given."""
        of_tuples = {name: tuple(fields[name]) for name in ("labels", "probabilities")}
        return Predicted(**{**fields, **of_tuples})


@dataclass(frozen=True, slots=True)
class FunctionEvent:
    """An event from a function: a ``kind`` such as ``label-change``, and JSON ``data``."""

    kind: str
    data: Mapping[str, Any]


class Function(Protocol):
    """Turns predictions into events, in a process of its own: a box's function host."""

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """The events of this window. An exception is counted, and the window kept as a letter."""


@runtime_checkable
class Remembering(Protocol):
    """A function that goes on after a restart where it was.

    What it remembers is stored with the events that it found. Without these methods a function
    begins anew, and sees the windows of a failed commit again.
    """

    def remembered(self) -> Mapping[str, Any]:
        """What it remembers after the last prediction, as JSON values."""

    def remember(self, before: Mapping[str, Any]) -> None:
        """Go on from what an object of this class remembered, perhaps with other arguments."""


@dataclass(frozen=True)
class FunctionSpec:
    """A function component's ``function.json``: ``class_name`` is a dotted path.

    ``labels`` are the labels of the model that it is made for.
    """

    class_name: str
    arguments: Mapping[str, Any]
    labels: tuple[str, ...]

    @staticmethod
    def read(content: bytes) -> "FunctionSpec":
        """The specification in a file's content.

        Raises:
            InvalidData: it is not a function's specification.
        """
        try:
            fields = json.loads(content)
            labels = fields["labels"]
            is_one = (
                fields.keys() == _FIELDS
                and isinstance(fields["class"], str)
                and isinstance(fields["arguments"], dict)
                and isinstance(labels, list)
                and all(isinstance(label, str) for label in labels)
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            is_one = False
        if not is_one:
            raise InvalidData(
                FUNCTION_FILE,
                'must be JSON with "class", "arguments" and "labels", and nothing else',
                'Give such as {"class": "fl_client.functions.label_change.LabelChange",'
                ' "arguments": {"windows": 3}, "labels": ["rest", "walk"]}',
            )
        return FunctionSpec(fields["class"], fields["arguments"], tuple(labels))

    def check_allowed(self, allowed: Collection[str]) -> None:
        """Raise InvalidData unless the class is among the ``allowed`` ones."""
        if self.class_name not in allowed:
            raise InvalidData(
                f"function class {self.class_name[:100]!r}",
                f"is not among those allowed here ({', '.join(sorted(allowed)) or 'none'})",
                "Install the class and allow it in the configuration, or use one of these",
            )

    def make(self, allowed: Collection[str]) -> Function:
        """Build the function, whose class must be among the ``allowed`` ones.

        Raises:
            InvalidData: the class is not allowed, not installed, or does not take the arguments.
        """
        self.check_allowed(allowed)
        name = self.class_name
        module, _, attribute = name.rpartition(".")
        try:
            function: Function = getattr(import_module(module), attribute)(**self.arguments)
            check_extension(FUNCTION, function)
        except JoinTheDotsError as error:
            raise InvalidData(
                f"function class {name}", str(error).rstrip("."), "Correct its arguments"
            ) from error
        except Exception as error:  # anyone's constructor
            words = " ".join(str(error).split())[:200]
            raise InvalidData(
                f"function class {name}",
                f"can't be made ({type(error).__name__}: {words})",
                "Install it, and give the arguments that it takes",
            ) from error
        return function


def fixed_predictions(labels: Sequence[str]) -> list[Predicted]:
    """Predictions to try a function on: each label in turn, nearly certain, for some windows.

    They go through the labels twice, and are the same on every machine.
    """
    rest = (1 - _CERTAIN) / max(1, len(labels) - 1)
    return [
        Predicted(
            number * 10**9,
            (number + 1) * 10**9,
            tuple(labels),
            tuple(_CERTAIN if label == now else rest for label in labels),
        )
        for number, now in enumerate(one for one in (*labels, *labels) for _ in range(_STANDS))
    ]


def events_of(function: Function, predictions: Iterable[Predicted]) -> list[dict[str, Any]]:
    """The events of ``function`` for ``predictions``, as JSON values with the window's number."""
    return [
        {"window": number, **json.loads(json.dumps(asdict(event)))}
        for number, predicted in enumerate(predictions)
        for event in function(predicted)
    ]
