"""Whether a constructor takes the values that it is given, in words for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

from fl_common.configuration.kinds import check_arguments, constructed
from fl_common.errors import InvalidConfiguration


class Part(Protocol):
    """Something that is built of a section."""

    def use(self) -> None: ...


@dataclass
class Built:
    """One argument of each kind."""

    text: str
    path: Path | None
    number: float
    stream: int | Sequence[int] | None
    names: Sequence[str]
    units: Mapping[str, str]
    part: Part | None
    form: Literal["json", "cbor"] = "json"
    anything: Any = None


GOOD: dict[str, Any] = {
    "text": "a",
    "path": None,
    "number": 1,
    "stream": [1, 2],
    "names": ["a"],
    "units": {"a": "b"},
    "part": {"_target_": "a.B"},
    "anything": {1: 2},
}


def test_what_fits_is_taken() -> None:
    check_arguments("at", Built, GOOD | {"_target_": "x", "part": object()}, strictly=True)
    assert constructed("at", Built, GOOD).names == ["a"]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("text", {"a": 1}, "must be a text"),
        ("text", None, "must be a text"),
        ("path", ["a"], "must be a text or null"),
        ("number", {"a": 1}, "must be a number"),
        ("stream", {"a": 1}, "must be a list or a whole number or null"),
        ("names", "a", "must be a list"),
        ("units", "a", "must be a section, with names and values"),
        ("part", {"a": 1}, "must be a section with a _target_, the dotted name of a class or null"),
        ("form", ["json"], "must be a text"),
    ],
)
def test_another_kind_is_refused_by_the_name_of_its_place(
    name: str, value: object, rule: str
) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        check_arguments("at", Built, GOOD | {name: value})
    assert str(refused.value) == f"at.{name}={value}: {rule}. Set at.{name} to such a value."


def test_a_text_for_a_number_is_left_to_the_constructor_s_rule_unless_it_failed() -> None:
    check_arguments("at", Built, GOOD | {"number": "fifty", "stream": 1.5})
    for name, value in (("number", "fifty"), ("stream", 1.5)):
        with pytest.raises(InvalidConfiguration, match=f"at.{name}={value}"):
            check_arguments("at", Built, GOOD | {name: value}, strictly=True)


def test_a_name_that_is_not_known_and_one_that_is_missing_are_told_with_those_that_are() -> None:
    with pytest.raises(InvalidConfiguration, match=r"key at.txt: is not known.*are anything, form"):
        check_arguments("at", Built, GOOD | {"txt": "a"})
    missing = {name: value for name, value in GOOD.items() if name != "units"}
    with pytest.raises(InvalidConfiguration, match=r"key at.units: is missing"):
        check_arguments("at", Built, missing)
