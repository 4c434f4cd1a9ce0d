"""Counts of a site's federation traffic, in a file that the node exports as metrics.

The link and the node are two processes and share this file. The counts continue after a restart.
"""

import json
import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flwr.app import Message

from fl_common.files.whole import write_whole
from fl_common.wire import summary as wire_log

_logger = logging.getLogger(__name__)
_REFUSED = "Ask who runs the server to look at fl-server status; the box goes on asking"
_UNREACHABLE = "Check the network, federation.server and federation.ca_file; the box goes on trying"


@dataclass
class TrafficCounts:
    """Totals since the site's folder was made; ``answers`` and ``seconds`` by kind of message.

    ``rounds`` counts updates sent, ``refusals`` the refusals by reason, ``errors`` the messages
    that were not answered. Bytes are those of the contents, without framing. ``clock_ahead_s`` is
    how far the box's clock was ahead of the server's when they last spoke; None: they never did.
    ``wrong`` are ``cause`` and ``remedy`` while there is no session at the server.
    """

    answers: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    clock_ahead_s: float | None = None
    wrong: dict[str, str] | None = None


class TrafficRecord:
    """The counts in the file at ``path``; a file that can't be read or written is only logged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.counts = read_counts(path)
        self._is_fresh = True  # nothing was noted since the start

    def add(self, message: Message, reply: Message, seconds: float) -> None:
        """Count ``message`` and its ``reply``, which took ``seconds``."""
        counts, kind = self.counts, message.metadata.message_type
        counts.answers[kind] += 1
        counts.seconds[kind] = counts.seconds.get(kind, 0.0) + seconds
        counts.received_bytes += wire_log.count_bytes(message.content)
        if reply.has_error():
            counts.errors += 1
        else:
            counts.sent_bytes += wire_log.count_bytes(reply.content)
            if (reason := wire_log.read_reason(reply.content)) is not None:
                counts.refusals[reason] += 1
            elif kind == "train":
                counts.rounds += 1
        self._write()

    def note_clock(self, ahead_s: float | None) -> None:
        """Note how far the box's clock is ahead; a change below a second is not written down."""
        before = self.counts.clock_ahead_s
        if ahead_s is not None and (before is None or abs(ahead_s - before) >= 1):
            self.counts.clock_ahead_s = round(ahead_s, 1)
            self._write()

    def note_joined(self) -> bool:
        """Note that the server answers as it should; whether that is news, as in all these."""
        return self._note_wrong(None)

    def note_refused(self, cause: str) -> bool:
        """Note that the server refuses the site."""
        words = f"the server refuses this site: {cause.rstrip('.')}"
        return self._note_wrong({"cause": words, "remedy": _REFUSED})

    def note_unreachable(self, cause: str) -> bool:
        """Note that there is no connection that can be trusted."""
        words = f"the server is out of reach: {cause.rstrip('.')}"
        return self._note_wrong({"cause": words, "remedy": _UNREACHABLE})

    def _note_wrong(self, wrong: dict[str, str] | None) -> bool:
        is_news = self._is_fresh or wrong != self.counts.wrong
        if is_news:
            self.counts.wrong, self._is_fresh = wrong, False
            self._write()
        return is_news

    def _write(self) -> None:
        try:
            write_whole(self._path, json.dumps(vars(self.counts)).encode())
        except OSError as error:
            _logger.error("%s can't be written: %s", self._path, error)


def read_counts(path: Path) -> TrafficCounts:
    """The counts in the file; all zero if it is missing or can't be read."""
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
        answers, refusals = Counter(fields.pop("answers")), Counter(fields.pop("refusals"))
        return TrafficCounts(answers=answers, refusals=refusals, **fields)
    except FileNotFoundError:
        return TrafficCounts()
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        _logger.error("%s can't be read, counts start at zero: %s", path, error)
        return TrafficCounts()
