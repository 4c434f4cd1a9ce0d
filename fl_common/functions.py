"""Functions over predictions, and their form as a component: which installed class, which values.

A function component has no code. Its ``function.json`` names a class and the values for its
constructor; a site runs it only where its operator has named that class, too, and has it installed.
So a signature, even a stolen one, can set values and never bring a program.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Protocol

from fl_common.errors import InvalidData, JoinTheDotsError
from fl_common.plugins.kinds import FUNCTION, check_extension

__all__ = [
    "Function",
    "FunctionEvent",
    "Predicted",
    "fixed_predictions",
]

FUNCTION_FILE = "function.json"
"""The one file of a function component."""
_FIELDS = {"class", "arguments", "labels"}
_STANDS = 8
_CERTAIN = 0.97


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the model says of one window: ``probabilities`` in the order of ``labels``."""

    start_ns: int
    """First instant of the window, nanoseconds since 1970."""
    end_ns: int
    """First instant after the window."""
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def label(self) -> str:
        """The most probable label."""
        return self.labels[self.probabilities.index(max(self.probabilities))]

    def probability(self, label: str) -> float:
        """The probability of ``label``; 0 for one that the model does not have."""
        return dict(zip(self.labels, self.probabilities, strict=True)).get(label, 0.0)


@dataclass(frozen=True, slots=True)
class FunctionEvent:
    """What a function found out: ``kind`` is a word such as ``label-change``, ``data`` JSON."""

    kind: str
    data: Mapping[str, Any]


class Function(Protocol):
    """Predictions in, events out; must not block, for the sensing loop waits for it."""

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        """What happened with this window; may raise, which is counted and never stops the loop."""


@dataclass(frozen=True)
class FunctionSpec:
    """A function component's ``function.json``: ``class_name`` is a dotted path.

    ``labels`` are those of the model that it is made for.
    """

    class_name: str
    arguments: Mapping[str, Any]
    labels: tuple[str, ...]

    @staticmethod
    def read(content: bytes) -> "FunctionSpec":
        """The specification in a file's content.

        Raises:
            InvalidData: it is none.
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

    def make(self, allowed: Collection[str]) -> Function:
        """The function, of a class that is among the ``allowed``.

        Raises:
            InvalidData: the class is not, is not installed, or does not take the arguments.
        """
        name = self.class_name
        if name not in allowed:
            raise InvalidData(
                f"function class {name[:100]!r}",
                f"is not among those allowed here ({', '.join(sorted(allowed)) or 'none'})",
                "Install the class and allow it in the configuration, or use one of these",
            )
        module, _, attribute = name.rpartition(".")
        try:
            function: Function = getattr(import_module(module), attribute)(**self.arguments)
            check_extension(FUNCTION, function)
        except JoinTheDotsError as error:
            raise InvalidData(
                f"function class {name}", str(error), "Correct its arguments"
            ) from error
        except Exception as error:  # a constructor of anybody's
            words = " ".join(str(error).split())[:200]
            raise InvalidData(
                f"function class {name}",
                f"can't be made ({type(error).__name__}: {words})",
                "Install it, and give the arguments that it takes",
            ) from error
        return function


def fixed_predictions(labels: Sequence[str]) -> list[Predicted]:
    """Predictions to try a function on: each label in turn, nearly certain, for some windows.

    Twice through the labels, and the same on every machine.
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


def found_on(function: Function, predictions: Iterable[Predicted]) -> list[dict[str, Any]]:
    """What ``function`` finds in ``predictions``, as JSON values, each with its window's number."""
    return [
        {"window": number, **json.loads(json.dumps(asdict(happening)))}
        for number, predicted in enumerate(predictions)
        for happening in function(predicted)
    ]
