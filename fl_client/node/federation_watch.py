"""The site's part in a federation, as the node sees it: by the files of the process beside it."""

from pathlib import Path
from typing import Any

from fl_client.home import TRAINING
from fl_client.node.federation_metrics import read_link
from fl_client.site.shortfalls import FILE, Shortfall, read_shortfalls
from fl_common.programs.troubles import Troubles

_WITHOUT_DATA = (Shortfall.UNREADABLE, Shortfall.DIED, Shortfall.RAISED)
_DATA = "Look for 'an answer lacks data' in the log, which says why"


class FederationWatch:
    """The federation of the site in ``home``; ``takes_part``: the node keeps its process running.

    It is in trouble while the server is out of reach or refuses the site, and while the last answer
    was made without data that there are.
    """

    def __init__(self, home: Path, takes_part: bool, troubles: Troubles) -> None:
        self._path, self._shortfalls = home / TRAINING, home / FILE
        self._takes_part, self._troubles = takes_part, troubles
        self._before: tuple[int, int] | None = None  # answers, and those without data

    def look(self) -> None:
        """Begin and end the troubles."""
        counts = read_link(self._path) if self._takes_part else {}
        if (wrong := counts.get("wrong")) is not None:
            self._troubles.begin("federation", wrong["cause"], wrong["remedy"])
        else:
            self._troubles.end("federation")
        self._judge(sum(counts.get("answers", {}).values()))

    def shown(self) -> dict[str, Any] | None:
        """What fl-client status shows of it, as JSON values; None if the site takes no part."""
        if not self._takes_part:
            return None
        counts = read_link(self._path)
        return {
            "joined": bool(counts) and counts.get("wrong") is None,
            "updates": counts.get("rounds", 0),
            "answers": counts.get("answers", {}),
            "refusals": counts.get("refusals", {}),
            "errors": counts.get("errors", 0),
            "shortfalls": dict(read_shortfalls(self._shortfalls)),
        }

    @property
    def clock_ahead_s(self) -> float | None:
        """By how much the box's clock is ahead of the server's; None: unknown."""
        return read_link(self._path).get("clock_ahead_s")

    def _judge(self, answers: int) -> None:
        """Judge a new answer; what it lacks was written down before it was counted."""
        counts = read_shortfalls(self._shortfalls)
        now = answers, sum(counts[reason] for reason in _WITHOUT_DATA)
        if self._before is not None and now[0] != self._before[0]:
            if now[1] > self._before[1]:
                cause = "the last answer was made as if there were no data"
                self._troubles.begin("training data", cause, _DATA)
            else:
                self._troubles.end("training data")
        if self._before is None or now[0] != self._before[0]:
            self._before = now
