"""What a function host's process answers, of which nothing is trusted.

What is read here can be stored, logged and sent: no later step fails at it.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fl_client.functions.host import ERROR, Answer
from fl_common.functions import FunctionEvent
from fl_common.functions.found import plain, why_unfit
from fl_common.functions.limits import MOST, MOST_EVENTS, MOST_REMEMBERED
from fl_common.functions.sandbox.outcome import CAUSES, INSTANCES

MOST_LINES = 20
"""Of a function's log, in one call."""
NO_ANSWER = (ArithmeticError, LookupError, TypeError, ValueError)
"""What is raised of an answer that somebody else has written than our own code."""
_MOST_FAILURES = 3
_MOST_COUNTED = 1 << 40


class SandboxFailed(Exception):
    """A call of a function in a sandbox failed, of one of ``CAUSES``; the text says where."""

    def __init__(self, text: str, cause: str) -> None:
        super().__init__(text)
        self.cause = cause


def lines_in(answer: Mapping[str, Any]) -> tuple[list[tuple[int, str]], int]:
    """What the function logged, level and text, and how many lines more there were.

    Raises:
        NO_ANSWER: it is none.
    """
    lines, more = answer["lines"], int(answer["unsaid"])
    if not 0 <= more <= _MOST_COUNTED:
        raise ValueError("somebody else wrote this")
    kept = [(min(int(level), logging.CRITICAL), plain(text)) for level, text in lines[:MOST_LINES]]
    return kept, more + len(lines) - len(kept)


def failures_in(answer: Mapping[str, Any]) -> list[str]:
    """What failed, in words. Raises as ``lines_in``."""
    return [plain(text) for text in answer["failures"][:_MOST_FAILURES]]


def refusal_in(answer: Mapping[str, Any]) -> tuple[str, str, str]:
    """The value, the rule and the remedy of a refusal. Raises as ``lines_in``."""
    value, rule, remedy = answer["refused"]
    return plain(value), plain(rule), plain(remedy)


def read(answer: Mapping[str, Any], failures: list[str]) -> Answer:
    """The answer to a call, after ``failures`` in making the function. Raises as ``lines_in``."""
    failures = [*failures, *failures_in(answer)]
    events, content, seconds = answer["events"], answer["content"], float(answer["seconds"])
    fuel, cause = int(answer["fuel"]), answer["cause"]
    if not 0 <= seconds < math.inf or not 0 <= fuel <= MOST["fuel"] or not _is_ascii(content):
        raise ValueError("somebody else wrote this")
    if content is not None and len(content) > MOST_REMEMBERED:
        failures.append(f"it remembers {len(content)} bytes; {MOST_REMEMBERED} are allowed")
        content = None
    cause = cause if cause in CAUSES else ERROR
    none = Answer(None, content, failures, seconds, fuel, cause, _instances_in(answer))
    if events is None:
        return none
    if len(events) > MOST_EVENTS:
        failures.append(f"more than {MOST_EVENTS} events of one window")
        return none
    for kind, data in events:
        if why := why_unfit(kind, data):
            failures.append(why)
            return none
    return replace(none, events=[FunctionEvent(kind, data) for kind, data in events])


def _instances_in(answer: Mapping[str, Any]) -> dict[str, int]:
    """How many instances were made, by why; only for what may be a reason."""
    made = answer["instances"]
    return {why: min(int(made[why]), _MOST_COUNTED) for why in INSTANCES if why in made}


def _is_ascii(content: object) -> bool:
    """Whether it is what a function remembers, as our code writes it, or None."""
    return content is None or (isinstance(content, str) and content.isascii())
