"""Rules of values: who keeps them, and the one message for who does not."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from fl_common.configuration.rules import (
    Rule,
    above,
    at_least,
    inside,
    number,
    one_of,
    optional,
    require,
    require_fields,
    whole,
)
from fl_common.errors import InvalidConfiguration

NO_NUMBERS: tuple[object, ...] = ("many", "1", True, None, math.nan, [1], {})
NUMBERS = [
    (above(0), (0.001, 3, np.float32(2)), (0, -1, math.inf), "must be a finite number above 0"),
    (at_least(1), (1, 1.5), (0.99, math.inf), "must be a finite number of at least 1"),
    (inside("(0, 1]"), (1e-9, 1), (0, 1.001, -math.inf), "must lie in (0, 1]"),
    (inside("[0, 0.5)"), (0, 0.49), (0.5, -1e-9), "must lie in [0, 0.5)"),
    (whole(1), (1, 10**30, np.int64(2)), (0, 1.0, 2.5, math.inf), "must be a whole number from 1"),
    (whole(0, 19), (0, 19), (-1, 20), "must be a whole number from 0 to 19"),
    (number("must be odd", lambda n: n % 2 == 1), (1, 3.0), (2,), "must be odd"),
]


def broken(rule: Rule, value: object) -> str:
    """The message for a value that breaks the rule."""
    with pytest.raises(InvalidConfiguration) as caught:
        require("part.name", value, rule)
    return str(caught.value)


@pytest.mark.parametrize(("rule", "good", "bad", "text"), NUMBERS)
def test_a_number_keeps_its_rule_or_is_refused_in_one_message(
    rule: Rule, good: tuple[object, ...], bad: tuple[object, ...], text: str
) -> None:
    for value in good:
        require("part.name", value, rule)
    for value in (*bad, *NO_NUMBERS):
        expected = f"part.name={value}: {text}. Set part.name to such a value."
        assert broken(rule, value) == expected


def test_a_word_is_one_of_those_named() -> None:
    require("part.name", "sgd", one_of(("sgd", "adam")))
    for value in ("SGD", "", None, 1, ["sgd"]):
        assert "must be sgd or adam" in broken(one_of(("sgd", "adam")), value)
    assert "must be one of a, b, c." in broken(one_of("abc"), "d")


def test_an_optional_value_may_be_none_and_nothing_else_besides() -> None:
    require("part.name", None, optional(whole(1)))
    assert "must be a whole number from 1" in broken(optional(whole(1)), 0)


def test_a_value_of_which_the_rule_can_not_be_asked_breaks_it() -> None:
    assert "must name a program" in broken(Rule("must name a program", lambda v: len(v) > 0), 3)


def test_a_remedy_of_its_own_ends_the_message() -> None:
    with pytest.raises(InvalidConfiguration, match=r"^a=2: must lie in \(0, 1\]\. Give 0\.95\.$"):
        require("a", 2, inside("(0, 1]"), "Give 0.95")


def test_fields_are_checked_in_order_under_their_prefix() -> None:
    @dataclass
    class Pair:
        first: float
        most: float

        def __post_init__(self) -> None:
            most = number("must be at least first", lambda value: value >= self.first)
            require_fields("pair", self, first=above(0), most=most)

    Pair(1, 1)
    with pytest.raises(InvalidConfiguration, match=r"^pair\.first=x: must be a finite"):
        Pair("x", 1)  # type: ignore[arg-type]
    with pytest.raises(InvalidConfiguration, match=r"^pair\.most=1: must be at least first\."):
        Pair(2, 1)
