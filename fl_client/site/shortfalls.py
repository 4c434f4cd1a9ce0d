"""What an owner should know of answers that were made without some of the data, or without any.

Under DP the server gets an answer of the planned form all the same, and learns nothing of it. So it
is told here: in the log, and as counts by reason in a file that the node shows as metrics.
"""

import json
import logging
from collections import Counter
from enum import StrEnum
from pathlib import Path

from fl_common.files.whole import OWNER_ONLY, write_whole

_logger = logging.getLogger(__name__)
FILE = "shortfalls.json"
"""In the ledger's folder."""


class Shortfall(StrEnum):
    """Why data took no part in an answer."""

    UNREADABLE = "unreadable"
    """The windows could not be read: the answer is that of a site without data."""
    EMPTY = "empty"
    """There was no window to use: the answer is that of a site without data."""
    DIED = "died"
    """The trainer died, maybe of the windows: the answer is that of a site without data."""
    RAISED = "raised"
    """The computation raised: the answer is that of a site without data."""
    UNFIT = "unfit"
    """Windows with a label that the task does not have were left out."""
    OUTSIDE = "outside"
    """Windows of blocks without budget, or of days that are not kept, were left out."""


class TrainerDied(Exception):
    """Raised instead of reading windows that a process may have died of."""


class Shortfalls:
    """Counts in the file at ``path``; one that can't be read or written is only logged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = Counter[str]()
        self._told = set[tuple[str, Shortfall]]()

    def note(self, site: str, what: Shortfall, detail: str) -> None:
        """Log ``detail``, as a warning the first time, and count one more answer."""
        is_news = what is not Shortfall.OUTSIDE and (site, what) not in self._told
        level = logging.WARNING if is_news else logging.INFO
        _logger.log(level, "site %s: an answer lacks data (%s): %s", site, what, detail)
        self._told.add((site, what))
        self._fresh[what] += 1

    def note_error(self, site: str, what: Shortfall, error: Exception) -> None:
        """Note an exception as ``what``; a trainer's death has a reason of its own."""
        reason = Shortfall.DIED if isinstance(error, TrainerDied) else what
        self.note(site, reason, f"{type(error).__name__}: {error}")

    def keep(self) -> None:
        """Write what was counted since the last call."""
        if not self._fresh:
            return
        counts = read_shortfalls(self._path) + self._fresh
        self._fresh.clear()
        try:
            write_whole(self._path, json.dumps(counts).encode(), OWNER_ONLY)
        except OSError as error:
            _logger.error("%s can't be written: %s", self._path, error)


def read_shortfalls(path: Path) -> Counter[str]:
    """Answers by reason; none where the file is missing or can't be read."""
    try:
        counts = json.loads(path.read_text())
        return Counter({str(reason): int(count) for reason, count in counts.items()})
    except FileNotFoundError:
        return Counter()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _logger.error("%s can't be read, counts start at zero: %s", path, error)
        return Counter()
