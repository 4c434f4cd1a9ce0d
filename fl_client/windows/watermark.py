"""The watermark of a stream: the time up to which all of its sensors have been heard."""

from collections.abc import Sequence

from fl_client.windows import Source


class Watermark:
    """Follows the newest stamp of each of ``sources``.

    It is that of the sensor which is furthest behind, so that a fast clock of one makes no reading
    of another late. A sensor that sends on change is not waited for, unless all do; nor is one that
    is behind the newest stamp by more than ``patience_ns``. It never goes back.
    """

    def __init__(self, sources: Sequence[Source], patience_ns: int) -> None:
        names = [source.name for source in sources]
        self._waits_for = [s.name for s in sources if not s.is_on_change]
        self._newest = dict.fromkeys(names, -1)
        self._patience_ns = patience_ns
        self.time_ns: int | None = None
        """Nanoseconds since 1970; None before the first reading."""
        self.newest_ns = -1
        """The newest stamp of all; -1 if there is none."""

    def note(self, sensor: str, newest_ns: int) -> None:
        """Note the newest stamp of a message of ``sensor``."""
        if newest_ns <= self._newest[sensor]:
            return
        self._newest[sensor] = newest_ns
        self.newest_ns = max(newest_ns, self.newest_ns)
        waited_for = [self._newest[name] for name in self._waits_for]
        behind_ns = min(waited_for) if waited_for else self.newest_ns
        reached_ns = max(behind_ns, self.newest_ns - self._patience_ns)
        self.time_ns = reached_ns if self.time_ns is None else max(reached_ns, self.time_ns)
