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
from fl_common.plugins.kinds import FUNCTION, check_extension

_FIELDS = {"class", "arguments", "labels"}


@dataclass(frozen=True)
class ClassFunction:
    """Format 1: an installed class, ``class_name`` is its dotted path, and its arguments.

    ``labels`` are the labels of the model that it is made for.
    """

    class_name: str
    arguments: Mapping[str, Any]
    labels: tuple[str, ...]

    @staticmethod
    def read(fields: Mapping[str, Any]) -> "ClassFunction":
        """The specification in the values of a file.

        Raises:
            InvalidData: it is not a function's specification.
        """
        try:
            labels = fields["labels"]
            is_one = (
                fields.keys() == _FIELDS
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
                'must be JSON with "class", "arguments" and "labels", and nothing else',
                'Give such as {"class": "fl_client.functions.label_change.LabelChange",'
                ' "arguments": {"windows": 3}, "labels": ["rest", "walk"]}',
            )
        return ClassFunction(fields["class"], fields["arguments"], tuple(labels))

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
