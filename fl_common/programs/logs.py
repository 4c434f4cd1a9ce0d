"""Logs of lines: a record is one line, whatever its message quotes, and a traceback is indented."""

import logging
import sys
from collections.abc import Iterable

from fl_common.programs.text import visible

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_INDENT = "    "


class Lines(logging.Formatter):
    """A formatter whose messages are ``visible``; no line but the first begins with a time."""

    def __init__(self, form: str = _FORMAT) -> None:
        super().__init__(form)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record's first line."""
        record.message = visible(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        """A traceback, each line indented: an exception's text may have been sent by anybody."""
        return _indented(super().formatException(ei))  # type: ignore[arg-type]

    def formatStack(self, stack_info: str) -> str:
        """A stack, each line indented."""
        return _indented(super().formatStack(stack_info))


def log_lines(level: str, *, quiet: Iterable[str] = ()) -> None:
    """Log records of ``level`` (such as ``info``) and above to standard error.

    Of the loggers in ``quiet`` only warnings are logged.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)


def _indented(text: str) -> str:
    return "\n".join(_INDENT + visible(line) for line in text.splitlines())
