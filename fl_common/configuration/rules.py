"""Configuration values from Hydra and YAML files, and the rules that they must meet.

A rule is a value, too: ``require("poll.jitter", jitter, inside("[0, 1)"))``. Its text completes a
message that begins with the name and the value. A value that is not a number fails a number rule.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from fl_common.errors import InvalidConfiguration

Config = Mapping[str, Any]
"""A node of a configuration: names and values."""


class Rule(NamedTuple):
    """A rule for a value: ``text`` for messages, and ``holds``, which is true for a valid value.

    A value for which ``holds`` raises TypeError, ValueError or KeyError breaks the rule.
    """

    text: str
    holds: Callable[[Any], bool]


SECTION = Rule("must be a section, with names and values", lambda value: isinstance(value, Mapping))
SWITCH = Rule("must be true or false", lambda value: isinstance(value, bool))
"""A text is none: "false", as a variable of the environment has it, would be true."""
TEXT = Rule("must be a text", lambda value: isinstance(value, str) and value != "")


def require(name: str, value: object, rule: Rule, remedy: str | None = None) -> None:
    """Raise InvalidConfiguration unless ``value``, set by the override ``name``, meets ``rule``.

    ``remedy`` says what to do instead; None: set ``name`` to a valid value.
    """
    try:
        holds = rule.holds(value)
    except (TypeError, ValueError, KeyError):
        holds = False
    if not holds:
        remedy = remedy or f"Set {name} to such a value"
        raise InvalidConfiguration(f"{name}={value}", rule.text, remedy)


def require_fields(prefix: str, owner: object, **rules: Rule) -> None:
    """Raise InvalidConfiguration for the first attribute of ``owner`` that breaks its rule.

    An attribute's override is ``prefix``, a dot, and its name.
    """
    for name, rule in rules.items():
        require(f"{prefix}.{name}", getattr(owner, name), rule)


def number(text: str, holds: Callable[[Any], bool]) -> Rule:
    """A rule for a real number; text, booleans and NaN break it."""
    return Rule(text, lambda value: _is_number(value) and bool(holds(value)))


FINITE = number("must be a finite number", math.isfinite)


def above(bound: float) -> Rule:
    """A finite number above ``bound``."""
    return number(f"must be a finite number above {bound}", lambda value: bound < value < math.inf)


def at_least(bound: float) -> Rule:
    """A finite number of at least ``bound``."""
    text = f"must be a finite number of at least {bound}"
    return number(text, lambda value: bound <= value < math.inf)


def inside(interval: str) -> Rule:
    """A number in an interval in mathematical notation: ``(0, 1]`` is above 0 and at most 1."""
    low, high = map(float, interval[1:-1].split(","))
    open_low, open_high = interval.startswith("("), interval.endswith(")")

    def holds(value: float) -> bool:
        return low <= value <= high and not (
            (open_low and value == low) or (open_high and value == high)
        )

    return number(f"must lie in {interval}", holds)


def whole(least: int, most: int | None = None) -> Rule:
    """A whole number from ``least`` to ``most``; None: no upper limit."""
    text = f"must be a whole number from {least}" + ("" if most is None else f" to {most}")
    end = math.inf if most is None else most
    return number(text, lambda value: _is_whole(value) and least <= value <= end)


def one_of(options: Iterable[str]) -> Rule:
    """One of some words."""
    words = list(options)
    text = " or ".join(words) if len(words) < 3 else f"one of {', '.join(words)}"
    return Rule(f"must be {text}", lambda value: isinstance(value, str) and value in words)


def optional(rule: Rule) -> Rule:
    """``rule``, or None."""
    return Rule(rule.text, lambda value: value is None or rule.holds(value))


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
