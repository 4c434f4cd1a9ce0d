"""What a function host's process answers, of which nothing is trusted.

What is read here can be stored, logged and sent: no later step fails at it.
"""

import logging
import math
from collections.abc import Mapping
from typing import Any

from fl_client.functions.host import Answer
from fl_common.functions import FunctionEvent
from fl_common.functions.found import plain, why_unfit
from fl_common.functions.limits import MOST_EVENTS, MOST_REMEMBERED

MOST_LINES = 20
"""Of a function's log, in one call."""
NO_ANSWER = (ArithmeticError, LookupError, TypeError, ValueError)
"""What is raised of an answer that somebody else has written than our own code."""
_MOST_FAILURES = 3
_logger = logging.getLogger(__name__)


class SandboxFailed(Exception):
    """A call of a function in a sandbox failed; the text says why, and where."""


def say(title: str, answer: Mapping[str, Any]) -> None:
    """Log what the function logged.

    Raises:
        NO_ANSWER: it is none.
    """
    for level, text in answer["lines"][:MOST_LINES]:
        _logger.log(min(int(level), logging.CRITICAL), "function %s: %s", title, plain(text))


def failures_in(answer: Mapping[str, Any]) -> list[str]:
    """What failed, in words. Raises as ``say``."""
    return [plain(text) for text in answer["failures"][:_MOST_FAILURES]]


def refusal_in(answer: Mapping[str, Any]) -> tuple[str, str, str]:
    """The value, the rule and the remedy of a refusal. Raises as ``say``."""
    value, rule, remedy = answer["refused"]
    return plain(value), plain(rule), plain(remedy)


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
        if why := why_unfit(kind, data):
            return Answer(None, content, [*failures, why], seconds)
    return Answer([FunctionEvent(kind, data) for kind, data in events], content, failures, seconds)


def _is_ascii(content: object) -> bool:
    """Whether it is what a function remembers, as our code writes it, or None."""
    return content is None or (isinstance(content, str) and content.isascii())
