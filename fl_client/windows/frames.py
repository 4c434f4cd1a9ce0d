"""Make a window of each picture: nothing is cut, and no picture waits for another one."""

from collections import Counter, deque
from collections.abc import Sequence

import numpy as np

from fl_client.sensors import Readings
from fl_client.windows import Slicing, Source, Window
from fl_client.windows.parts import HeldValue, check_sources
from fl_client.windows.slide import AcceptedReadings
from fl_common.vocabulary import Task


class Frames:
    """The windows of ``task`` from the pictures of its one source, of one ``stream``.

    As an ``Assembler``. A picture is late or ahead by the same limits as any reading. Of two with
    the same time the first one counts.

    Raises:
        InvalidConfiguration: see ``check_sources``.
    """

    def __init__(
        self,
        task: Task,
        sources: Sequence[Source],
        slicing: Slicing,
        stream: str = "",
        held: Sequence[HeldValue] = (),
    ) -> None:
        check_sources(task, sources, slicing)
        self._task, self._stream, self._source = task, stream, sources[0]
        order = [self._source.channels.index(channel) for channel in task.channels]
        self._order = None if order == sorted(order) else order
        self._ahead_ns, self._lateness_ns = slicing.ahead_ns, slicing.lateness_ns
        self._made: list[Window] = []
        self._known, self._times = set[int](), deque[int]()  # of pictures that are not late yet
        self._merged = 0
        self.newest_ns = -1
        """The newest stamp of all pictures that were taken; -1 if there is none."""

    @property
    def needed_from_ns(self) -> int:
        """The time before which no picture is needed: all that came are windows."""
        return self.newest_ns + 1

    def take_merged(self) -> Counter[str]:
        """Pictures since the last call that came after another one of their time, by sensor."""
        found = +Counter({self._source.name: self._merged})
        self._merged = 0
        return found

    def held_before(self) -> list[HeldValue]:
        """None: no picture holds."""
        return []

    def add(self, batch: Sequence[Readings], now_ns: int) -> AcceptedReadings:
        """Add the messages of ``batch``, in their order of arrival, one picture each."""
        late_M, ahead_M = np.zeros(len(batch), np.int64), np.zeros(len(batch), np.int64)
        for place, message in enumerate(batch):
            time_ns = int(message.times_N[0])
            ahead_M[place] = time_ns > now_ns + self._ahead_ns
            late_M[place] = not ahead_M[place] and not self._is_usable(message)
            if not (ahead_M[place] or late_M[place]):
                self._take(message, time_ns)
        return AcceptedReadings(late_M, ahead_M)

    def closed(self) -> list[Window]:
        """The windows made since the last call."""
        windows, self._made = self._made, []
        return windows

    def finish(self) -> list[Window]:
        """As ``closed``: nothing is open."""
        return self.closed()

    def _is_usable(self, message: Readings) -> bool:
        """Whether it is of this declaration, as one that waited in the spool need not be; in time.

        The sensor's name and the number of its values say so, as of other readings.
        """
        fits = message.sensor == self._source.name and len(message.times_N) == 1
        if not fits or message.values_NC.size != np.prod(self._task.window_shape):
            return False
        return int(message.times_N[0]) >= self.newest_ns - self._lateness_ns

    def _take(self, message: Readings, time_ns: int) -> None:
        if time_ns in self._known:
            self._merged += 1
            return
        self._known.add(time_ns)
        self._times.append(time_ns)
        self.newest_ns = max(self.newest_ns, time_ns)
        while self._times[0] < self.newest_ns - self._lateness_ns:
            self._known.discard(self._times.popleft())
        values_CHW = message.values_NC.reshape(self._task.window_shape)
        if self._order is not None:
            values_CHW = values_CHW[self._order]
        self._made.append(Window(self._task.name, time_ns, values_CHW, self._stream))
