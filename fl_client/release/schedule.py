"""When an answer leaves: on a schedule that does not depend on the data.

How long a site trains depends on its windows, and the server sees when an answer comes. So an
answer under DP leaves exactly one slot after the request was taken up. A slot belongs to an amount
of work, as the plan alone tells it, in powers of two. It starts small, only grows, and is kept over
restarts: work that takes longer lengthens it until it fits, before that answer leaves. What time
can tell is then how often the slots of a box have ever grown, instead of something in every round.

How long the server waits is the server's word, and moves no answer: else it could ask, in each
round, whether the work took longer than that. A message that gives less time than its slot is
refused before anything is charged.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from fl_common.files import OWNER_ONLY, write_whole

_logger = logging.getLogger(__name__)
FILE = "slots.json"
"""In the site's folder; removing it lets every slot start small again."""
SHORTEST_S = 0.5
_GROWTH = 1.25
_SHARE = 0.9
"""Of the time that the server waits, which an answer also needs to travel."""


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
        return self._slots.get(work, SHORTEST_S) <= _SHARE * patience

    def leave(self, work: str, began: float) -> float:
        """Wait for the end of the slot of ``work`` that ``began``; its length in seconds.

        A slot that has grown is durable before this returns, if it can be written at all.
        """
        slot, seconds = self._slots.get(work, SHORTEST_S), self._clock() - began
        if seconds > slot:
            slot = self._grown(work, slot, seconds)
        self._wait(max(0.0, began + slot - self._clock()))
        return slot

    def _grown(self, work: str, slot: float, seconds: float) -> float:
        while slot < seconds:
            slot *= _GROWTH
        _logger.warning(
            "the work took %.3g s: from now on answers to such work (%s) leave %.4g s after the"
            " request, so that their time tells nothing of the data",
            seconds, work, slot,
        )  # fmt: skip
        self._slots[work] = slot
        self._keep()
        return slot

    def _keep(self) -> None:
        try:
            write_whole(self._path, json.dumps(self._slots).encode(), OWNER_ONLY)
        except OSError as error:
            _logger.error("%s can't be written: %s", self._path, error)


def _read(path: Path) -> dict[str, float]:
    try:
        slots = json.loads(path.read_text())
        return {str(work): max(SHORTEST_S, float(slot)) for work, slot in slots.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _logger.error("%s can't be read, and slots start small again: %s", path, error)
        return {}
