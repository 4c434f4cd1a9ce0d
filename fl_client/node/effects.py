"""What follows from predictions: events for the broker, and what functions find.

A prediction's event and its place in the functions' inbox are stored with the mark of its window;
what functions find in it with its removal from there. Functions work beside the sensing thread, so
one that hangs holds up no prediction.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from fl_client.functions.feed import FunctionFeed
from fl_client.functions.shown import Shown
from fl_client.node.announcements import Announcements
from fl_client.node.path import PredictedWindow
from fl_client.store.outbox import NewEvent, StoredEvents


class Effects:
    """Feeds ``functions`` with predictions, and puts all events into ``outbox``.

    Call it in the transaction that marks the windows as predicted: either all of it happens, or
    nothing. ``clock`` is in nanoseconds since 1970.
    """

    def __init__(
        self,
        functions: FunctionFeed,
        outbox: StoredEvents,
        announcements: Announcements,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._functions, self._outbox = functions, outbox
        self._announcements, self._clock = announcements, clock

    def __call__(self, answers: Sequence[PredictedWindow], received_ns: int) -> Sequence[Shown]:
        """What became of windows since the last call; ``received_ns``: of the last message."""
        now_ns = self._clock()
        when, latency_s = datetime.fromtimestamp(now_ns / 1e9, UTC), (now_ns - received_ns) / 1e9
        shown = self._functions.take()
        events = [self._announcements.prediction(one, when, latency_s) for one in answers]
        for one in shown:
            events += self._of_functions(one, when)
        self._outbox.put(events)
        self._functions.put([answer.predicted for answer in answers])
        return shown

    def _of_functions(self, shown: Shown, when: datetime) -> Iterator[NewEvent]:
        numbers = Counter[str]()
        for name, event in shown.found:
            number = numbers[name]
            yield self._announcements.function(name, event, number, shown.event, when)
            numbers[name] += 1
