"""Format 1 of ``function.json``: an installed class with arguments, and no code.

A site runs it only if its operator has installed and allowed that class. So even a stolen signing
key can only set arguments, and never bring code.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fl_common.errors import InvalidData, JoinTheDotsError
from fl_common.functions.classes import Function
from fl_common.functions.specification.given import asked_in, given_on
from fl_common.plugins.kinds import FUNCTION, check_extension

_FIELDS = {"class", "arguments", "labels"}
_MORE = {"on", "asks"}
_PREDICTIONS = (("prediction", "*"),)


@dataclass(frozen=True)
class ClassFunction:
    """Format 1: an installed class, ``class_name`` is its dotted path, and its arguments.

    ``labels`` are the labels of the model that it is made for. ``on`` are the kinds of events that
    it takes, as in format 2: predictions, if it does not say. ``asks`` are networks that it asks.
    """

    class_name: str
    arguments: Mapping[str, Any]
    labels: tuple[str, ...]
    on: tuple[tuple[str, str], ...] = _PREDICTIONS
    asks: tuple[str, ...] = ()

    @staticmethod
    def read(fields: Mapping[str, Any]) -> "ClassFunction":
        """The specification in the values of a file.

        Raises:
            InvalidData: it is not a function's specification.
        """
        try:
            labels = fields["labels"]
            is_one = (
                fields.keys() - _MORE == _FIELDS
                and isinstance(fields["class"], str)
                and isinstance(fields["arguments"], dict)
                and isinstance(labels, list)
                and all(isinstance(label, str) for label in labels)
            )
        except KeyError:
            is_one = False
        if not is_one:
            raise InvalidData(
                "function.json",
                'must be JSON with "class", "arguments" and "labels", perhaps "on" and "asks", and'
                " nothing else",
                'Give such as {"class": "fl_client.functions.label_change.LabelChange",'
                ' "arguments": {"windows": 3}, "labels": ["rest", "walk"]}',
            )
        on = given_on(fields["on"], "rule") if "on" in fields else _PREDICTIONS
        asks = asked_in(fields, many=True)
        return ClassFunction(fields["class"], fields["arguments"], tuple(labels), on, asks)

    @property
    def is_on_predictions(self) -> bool:
        """Whether it is judged by fixed predictions: it takes nothing else, and asks nobody."""
        return self.on == _PREDICTIONS and not self.asks

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
