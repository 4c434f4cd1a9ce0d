"""What a function host's process answers, of which nothing is trusted.

What is read here can be stored, logged and sent: no later step fails at it.
"""

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

from fl_client.functions.host import Answer
from fl_common.functions import FunctionEvent

MOST_EVENTS = 1000
"""Of one function in one window."""
MOST_REMEMBERED = 64 << 10
"""Bytes that one function remembers of one stream: all are kept in memory and in the store."""
MOST_LINES = 20
"""Of a function's log, in one call."""
NO_ANSWER = (ArithmeticError, LookupError, TypeError, ValueError)
"""What is raised of an answer that somebody else has written than our own code."""
_MOST_FAILURES, _MOST_TEXT, _LONGEST_KIND, _DEEPEST = 3, 1000, 100, 32
_logger = logging.getLogger(__name__)


def say(class_name: str, answer: Mapping[str, Any]) -> None:
    """Log what the function logged.

    Raises:
        NO_ANSWER: it is none.
    """
    for level, text in answer["lines"][:MOST_LINES]:
        _logger.log(min(int(level), logging.CRITICAL), "function %s: %s", class_name, _plain(text))


def failures_in(answer: Mapping[str, Any]) -> list[str]:
    """What failed, in words. Raises as ``say``."""
    return [_plain(text) for text in answer["failures"][:_MOST_FAILURES]]


def refusal_in(answer: Mapping[str, Any]) -> tuple[str, str, str]:
    """The value, the rule and the remedy of a refusal. Raises as ``say``."""
    value, rule, remedy = answer["refused"]
    return _plain(value), _plain(rule), _plain(remedy)


def read(answer: Mapping[str, Any], failures: list[str]) -> Answer:
    """The answer to a call, after ``failures`` in making the function. Raises as ``say``."""
    failures = [*failures, *failures_in(answer)]
    events, content, seconds = answer["events"], answer["content"], float(answer["seconds"])
    if not math.isfinite(seconds) or not _is_ascii(content):
        raise ValueError("somebody else wrote this")
    if content is not None and len(content) > MOST_REMEMBERED:
        failures.append(f"it remembers {len(content)} bytes; {MOST_REMEMBERED} are allowed")
        content = None
    if events is None:
        return Answer(None, content, failures, seconds)
    if len(events) > MOST_EVENTS:
        why = f"more than {MOST_EVENTS} events of one window"
        return Answer(None, content, [*failures, why], seconds)
    for kind, data in events:
        if why := _why_unfit(kind, data):
            return Answer(None, content, [*failures, why], seconds)
    return Answer([FunctionEvent(kind, data) for kind, data in events], content, failures, seconds)


def _why_unfit(kind: object, data: object) -> str:
    """Why an event can't be sent; empty: it can."""
    if not isinstance(kind, str) or not kind.isprintable() or not kind:
        return f"the kind {_plain(kind)!r} of its event is not a printable word"
    if len(kind) > _LONGEST_KIND:
        return f"the kind of its event has {len(kind)} characters; {_LONGEST_KIND} are allowed"
    if not isinstance(data, dict):
        return f"the data of its event {kind} are no JSON object"
    if not _is_flat(data, _DEEPEST):
        return f"the data of its event {kind} are nested deeper than {_DEEPEST} times"
    try:
        json.dumps(data, allow_nan=False)
    except ValueError:  # such as 1e999
        return f"the data of its event {kind} are no JSON"
    return ""


def _is_flat(value: object, deepest: int) -> bool:
    """Whether no list or object in it is nested deeper, so that whatever writes it has room."""
    if not isinstance(value, dict | list):
        return True
    inside = value.values() if isinstance(value, dict) else value
    return deepest > 0 and all(_is_flat(one, deepest - 1) for one in inside)


def _is_ascii(content: object) -> bool:
    """Whether it is what a function remembers, as our code writes it, or None."""
    return content is None or (isinstance(content, str) and content.isascii())


def _plain(text: object) -> str:
    """One line, of characters that can be stored and shown."""
    if not isinstance(text, str):
        return f"a {type(text).__name__}"
    return "".join(one if one.isprintable() else " " for one in text[:_MOST_TEXT])
