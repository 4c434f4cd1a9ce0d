"""Logs of lines: a record is one line, whatever its message quotes.

For people it is text, with an indented traceback below; for programs a JSON object.
"""

import json
import logging
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType

from fl_common.configuration.rules import one_of, require
from fl_common.programs.text import visible

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_INDENT = "    "
LEVEL = one_of(("debug", "info", "warning", "error", "critical"))
"""For the least level that is logged."""
_logger = logging.getLogger(__name__)


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


class JsonLines(logging.Formatter):
    """A record as a JSON object: time (UTC), level, logger, message, and error if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": visible(record.getMessage()),
        }
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            line["error"] = "\n".join(map(visible, trace))
        return json.dumps(line, ensure_ascii=False)


def log_to_standard_error(level: str, *, quiet: Iterable[str] = ()) -> None:
    """Log records of ``level`` (such as ``info``) and above; JSON objects unless it is a terminal.

    Of the loggers in ``quiet`` only warnings are logged. Every warning of Python's is, too, and the
    error that ends the process or a thread.

    Raises:
        InvalidConfiguration: not a level.
    """
    level = str(level).lower()
    require("log_level", level, LEVEL)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines() if sys.stderr.isatty() else JsonLines())
    handler.setLevel(level.upper())  # some libraries set that of their loggers by themselves
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda found: _log_uncaught(
        found.exc_type, found.exc_value, found.exc_traceback
    )


def message_of(line: str) -> str:
    """What a line of a log says, with its error; ``line`` itself if another program wrote it."""
    try:
        found = json.loads(line)
        said = [found["message"], *found.get("error", "").splitlines()[-1:]]
    except (ValueError, TypeError, KeyError, AttributeError):
        return line
    return ": ".join(map(str, said))


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if error is None or not issubclass(kind, Exception):  # such as Ctrl-C
        sys.__excepthook__(kind, error or kind(), trace)
    else:
        _logger.critical("an error that nothing handles", exc_info=(kind, error, trace))


def _indented(text: str) -> str:
    return "\n".join(_INDENT + visible(line) for line in text.splitlines())
