"""When an answer leaves: on a schedule that does not depend on the data.

How long a site trains depends on its windows, and the server sees when an answer comes. So an
answer under DP leaves exactly one slot after the request was taken up. A slot belongs to an amount
of work, as the plan alone tells it, in powers of two. It starts small, only grows, and is kept over
restarts: work that takes longer doubles it until it fits, before that answer leaves. What time can
tell is then how often the slots of a box have ever grown, a few times for each, instead of
something in every round.
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

    def leave(self, work: str, began: float, patience: float) -> float:
        """Wait for the end of the slot of ``work`` that ``began``; its length in seconds.

        A slot that has grown is durable before this returns, if it can be written at all. The
        server waits ``patience`` seconds: a longer slot ends a little before. What is not ready by
        then is late, which the server sees; it leaves at once, and no slot grows.
        """
        last = _SHARE * patience
        slot = self._slots.get(work, SHORTEST_S)
        while (seconds := self._clock() - began) > min(slot, last):
            if seconds > last:
                _logger.warning("an answer to %s took %.1f s, too long", work, seconds)
                return seconds
            slot = self._grown(work, slot)
        slot = min(slot, last)
        self._wait(max(0.0, began + slot - self._clock()))
        return slot

    def _grown(self, work: str, slot: float) -> float:
        _logger.warning("answers to %s leave after %g s from now on", work, 2 * slot)
        self._slots[work] = 2 * slot
        self._keep()
        return 2 * slot

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
