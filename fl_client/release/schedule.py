"""When an answer leaves: on a schedule that does not depend on the data.

How long a site trains depends on its windows, and the server sees when an answer comes. So an
answer under DP leaves exactly one slot after the request was taken up. A slot belongs to an amount
of work, as the plan alone tells it, in powers of two. It starts small, only grows, and is kept over
restarts: work that takes longer lengthens it until it fits, before that answer leaves. What time
can tell is then how often the slots of a box have ever grown, instead of something in every round.

How long the server waits is the server's word, and it may not ask with it, in each round, whether
the work took longer. A message that gives less time than its slot is refused before anything is
charged. Work that does not end in that time (a machine that slept, say) is answered late, at the
end of one of the slots that follow, and no slot grows. A slot that would grow beyond that time
grows up to it. But both happen only so many times ever for each amount of work.
"""

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fl_common.files.whole import OWNER_ONLY, write_whole

_logger = logging.getLogger(__name__)
FILE = "slots.json"
"""In the site's folder; removing it lets every slot start small again."""
SHORTEST_S = 0.5
_GROWTH = 1.25
_MOST_MOVED = 100
"""Answers to an amount of work, ever, that may depend on how long the server waits."""
_SHARE = 0.9
"""Of the time that the server waits, which an answer also needs to travel."""


class _Slot(NamedTuple):
    """A slot's length, and how many answers to its work depended on how long the server waits."""

    seconds: float
    moved: int


_FIRST = _Slot(SHORTEST_S, 0)


class Schedule:
    """The slots in the file at ``path``; one that can't be read starts small, and is logged.

    ``clock`` gives seconds that never go back; ``wait`` waits for some.
    """

    def __init__(
        self, path: Path, clock: Callable[[], float], wait: Callable[[float], object]
    ) -> None:
        self._path, self._clock, self._wait = path, clock, wait
        self._slots = _read(path)

    def fits(self, work: str, patience: float) -> bool:
        """Whether an answer leaves in time for a server that waits ``patience`` seconds."""
        return self._slots.get(work, _FIRST).seconds <= _SHARE * patience

    def leave(self, work: str, began: float, patience: float) -> float:
        """Wait for the end of the slot of ``work`` that ``began``; its length in seconds.

        The server waits ``patience`` seconds; a late answer waits for the end of a later slot. A
        slot that has grown is durable before this returns, if it can be written at all.
        """
        slot, seconds = self._slots.get(work, _FIRST).seconds, self._clock() - began
        if seconds > slot:
            slot = self._grown(work, seconds, _SHARE * patience)
        end = slot * max(1, math.ceil(seconds / slot))
        self._wait(max(0.0, began + end - self._clock()))
        return slot

    def _grown(self, work: str, seconds: float, last: float) -> float:
        old = self._slots.get(work, _FIRST)
        slot, moved = old.seconds, old.moved
        while slot < seconds:
            slot *= _GROWTH
        if slot > last and moved < _MOST_MOVED:
            slot, moved = (old.seconds if seconds > last else last), moved + 1
        if slot < seconds:
            _logger.warning("the work (%s) took %.3g s: the answer is late", work, seconds)
        if slot > old.seconds:
            _logger.warning(
                "the work took %.3g s: from now on answers to such work (%s) leave %.4g s after the"
                " request, so that their time tells nothing of the data",
                seconds, work, slot,
            )  # fmt: skip
        self._slots[work] = _Slot(slot, moved)
        self._keep()
        return slot

    def _keep(self) -> None:
        try:
            write_whole(self._path, json.dumps(self._slots).encode(), OWNER_ONLY)
        except OSError as error:
            _logger.error("%s can't be written: %s", self._path, error)


def _read(path: Path) -> dict[str, _Slot]:
    try:
        slots = json.loads(path.read_text())
        return {
            str(work): _Slot(max(SHORTEST_S, float(seconds)), int(moved))
            for work, (seconds, moved) in slots.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _logger.error("%s can't be read, and slots start small again: %s", path, error)
        return {}
