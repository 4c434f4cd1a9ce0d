"""What follows from predictions: functions, and events for the broker, in the same transaction."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from fl_client.functions.runner import Functions
from fl_client.node.announcements import Announcements
from fl_client.node.path import FoundEvents, PredictedWindow
from fl_client.store.function_memory import FunctionMemory
from fl_client.store.outbox import StoredEvents
from fl_common.wire.cloud_events import CloudEvent


class Effects:
    """Shows predictions to ``functions``, and puts all events into ``outbox``.

    Functions go on from ``memory``, so that a commit that failed has no effect on them. Call it in
    the transaction that marks the windows as predicted: either all of it happens, or nothing.
    ``clock`` is in nanoseconds since 1970.
    """

    def __init__(
        self,
        functions: Functions,
        memory: FunctionMemory,
        outbox: StoredEvents,
        announcements: Announcements,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._functions, self._memory, self._outbox = functions, memory, outbox
        self._announcements, self._clock = announcements, clock
        functions.go_on_from(memory.found)

    def __call__(
        self, answers: Sequence[PredictedWindow], received_ns: int
    ) -> Sequence[FoundEvents]:
        """What functions found in each window; ``received_ns`` is when the last message came."""
        now_ns = self._clock()
        when, latency_s = datetime.fromtimestamp(now_ns / 1e9, UTC), (now_ns - received_ns) / 1e9
        found: list[FoundEvents] = []
        events: list[tuple[str, CloudEvent]] = []
        for answer in answers:
            found.append(self._functions(answer.predicted))
            events.append(self._announcements.prediction(answer, when, latency_s))
            events += self._of_functions(found[-1], answer, when)
        self._outbox.put(events)
        if answers:
            streams = {answer.predicted.stream for answer in answers}
            self._memory.write(self._functions.memories(streams))
        return found

    def _of_functions(
        self, found: FoundEvents, answer: PredictedWindow, when: datetime
    ) -> Iterator[tuple[str, CloudEvent]]:
        numbers = Counter[str]()
        for name, event in found:
            yield self._announcements.function(name, event, numbers[name], answer, when)
            numbers[name] += 1
