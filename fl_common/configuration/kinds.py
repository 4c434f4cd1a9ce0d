"""Kinds of values in words for people, and whether a constructor takes those that it is given.

A value of YAML is a section, a list, one value (a text, a number, true or false), or null. Which of
these an argument may be is in the constructor's annotations; what else is wrong with a value its
own rules say.
"""

import enum
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from os import PathLike
from typing import Any, TypeVar

from fl_common.configuration.keys import question
from fl_common.configuration.rules import SECTION, Rule, require
from fl_common.errors import InvalidConfiguration

T = TypeVar("T")

_SECTION = SECTION.text.removeprefix("must be ")
_PART = "a section with a _target_, the dotted name of a class"
_LIST, _NULL = "a list", "null"
_TEXT, _WHOLE, _NUMBER, _SWITCH = "a text", "a whole number", "a number", "true or false"
_ONE_VALUE = frozenset({_TEXT, _WHOLE, _NUMBER, _SWITCH})
_OF_TYPES: tuple[tuple[type, str], ...] = (
    (bool, _SWITCH),
    (int, _WHOLE),
    (float, _NUMBER),
    (str, _TEXT),
    (PathLike, _TEXT),
    (enum.Enum, _TEXT),
    (type(None), _NULL),
    (Mapping, _SECTION),
    (Iterable, _LIST),
)
PART = Rule(f"must be {_PART}", lambda value: isinstance(value, Mapping) and "_target_" in value)
CLASS = Rule(
    "must be the dotted name of a class", lambda value: isinstance(value, str) and bool(value)
)
_OF_HYDRA = "_"
"""What a key of a node begins with that is no argument."""


def constructed(place: str, target: Callable[..., T], section: Mapping[str, Any]) -> T:
    """``target`` called with the names and values of ``section``, which stands at ``place``.

    Raises:
        InvalidConfiguration: one is not known, missing, or of a kind that it can't be.
    """
    check_arguments(place, target, section, strictly=True)
    return target(**section)


def check_arguments(
    place: str, target: Callable[..., Any], node: Mapping[Any, Any], *, strictly: bool = False
) -> None:
    """Check the arguments that ``node``, which stands at ``place``, has for ``target``.

    Not ``strictly``, a text may stand for a number: the constructor's own rule says more of it.

    Raises:
        InvalidConfiguration: one is not known, missing, or of a kind that it can't be.
    """
    try:
        parameters = inspect.signature(target, eval_str=True).parameters
    except (ValueError, TypeError, NameError):  # not written in Python, or not annotated for here
        return
    given = {name: value for name, value in node.items() if not str(name).startswith(_OF_HYDRA)}
    dot = f"{place}." if place else ""
    _check_names(dot, given, parameters)
    for name, value in given.items():
        known = parameters.get(name)
        kinds = _kinds_of(known.annotation) if known is not None else None
        if kinds is not None:
            rule = Rule(f"must be {_words(kinds)}", partial(_fits, kinds, strictly))
            require(f"{dot}{name}", value, rule)


def _check_names(
    dot: str, given: Mapping[Any, Any], parameters: Mapping[str, inspect.Parameter]
) -> None:
    """Refuse the first name that ``parameters`` lack, and the first that is needed and missing."""
    takes = [
        one for one in parameters.values() if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    if len(takes) < len(parameters):
        return
    known = "The known keys are " + ", ".join(sorted(one.name for one in takes))
    for name in map(str, given):
        if name not in parameters:
            near = question(name, [one.name for one in takes])
            what = f"configuration key {dot}{name}"
            raise InvalidConfiguration(what, "is not known", f"{near}{known}")
    for one in takes:
        if one.default is one.empty and one.name not in given:
            raise InvalidConfiguration(f"configuration key {dot}{one.name}", "is missing", known)


def _kinds_of(annotation: Any) -> frozenset[str] | None:
    """The kinds that an argument may be; None: any."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        found = [_kinds_of(one) for one in typing.get_args(annotation)]
        return None if None in found else frozenset().union(*filter(None, found))
    if origin is typing.Literal:
        return frozenset().union(*(_kinds_of(type(v)) or () for v in typing.get_args(annotation)))
    if annotation is None:
        return frozenset({_NULL})
    kind = origin or annotation
    if not isinstance(kind, type) or kind in (Any, object, inspect.Parameter.empty):
        return None
    for known, words in _OF_TYPES:
        if issubclass(kind, known):
            return frozenset({words})
    return None if kind.__module__ == "builtins" else frozenset({_PART})


def _fits(kinds: frozenset[str], strictly: bool, value: object) -> bool:
    if value is None:
        return _NULL in kinds
    if isinstance(value, bool | int | float | str):
        own = next(words for known, words in _OF_TYPES if isinstance(value, known))
        fitting = {own, _NUMBER} if own == _WHOLE else {own}
        return bool((fitting if strictly else _ONE_VALUE) & kinds)
    if isinstance(value, Mapping):
        return _SECTION in kinds or (_PART in kinds and "_target_" in value)
    if isinstance(value, list | tuple):
        return _LIST in kinds
    return True  # built already


def _words(kinds: frozenset[str]) -> str:
    order = (_SECTION, _PART, _LIST, _TEXT, _WHOLE, _NUMBER, _SWITCH, _NULL)
    return " or ".join(kind for kind in order if kind in kinds)
