"""Structured logs: one JSON object per line on standard error."""

import json
import logging
import sys
from datetime import UTC, datetime

from fl_common.programs.text import visible


class JsonLines(logging.Formatter):
    """A record as one line: time (UTC), level, logger, message, and the error if there is one."""

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


def log_to_standard_error(level: str) -> None:
    """Log records of ``level`` (such as ``info``) and above, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
