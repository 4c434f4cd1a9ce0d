"""The states that networks carry from window to window, one for each stream and who asks.

They are in memory alone: a restart begins with zeros, as does a window after a gap. Both are
counted, for until a network has heard a little its answers are less sure.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass

from fl_client.inference.network import State
from fl_common.functions.asked import Asker

MOST, MOST_BYTES = 4000, 64 << 20
"""States at a time, and their bytes; that of the stream that was silent for longest makes room."""
START, GAP, VERSION, ROOM = "start", "gap", "version", "room"
"""Why a window begins with zeros: the first of a stream since the start, one that does not begin
where the next one would, another version of the network, or it was dropped to make room."""


@dataclass
class _Kept:
    digest: str
    start_ns: int
    before: State | None
    after: State

    @property
    def size(self) -> int:
        states = (self.before or {}, self.after)
        return sum(array.nbytes for state in states for array in state.values())


class States:
    """The states of one network; for one thread at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], _Kept] = OrderedDict()
        self._dropped = set[tuple[int, str]]()
        self._bytes = 0
        self.begun: Counter[str] = Counter()
        """How often a window began with zeros, by why."""

    def __len__(self) -> int:
        return len(self._kept)

    def before(self, asker: Asker, digest: str, hop_ns: float, slack_ns: float) -> State | None:
        """The state before the asker's window; None: zeros.

        A window that is asked about again has the state that it had. The next one begins ``hop_ns``
        after the one before, give or take ``slack_ns``.
        """
        place = asker.function, asker.stream
        kept = self._kept.get(place)
        if kept is None:
            self.begun[ROOM if place in self._dropped else START] += 1
            return None
        if kept.digest != digest:
            self.begun[VERSION] += 1
            return None
        if asker.start_ns == kept.start_ns:
            return kept.before
        if abs(asker.start_ns - kept.start_ns - hop_ns) > slack_ns:
            self.begun[GAP] += 1
            return None
        return kept.after

    def keep(self, asker: Asker, digest: str, before: State | None, after: State) -> None:
        """Keep what the window left; of several questions about a window, the first one's."""
        place = asker.function, asker.stream
        kept = self._kept.get(place)
        if kept is not None and (kept.digest, kept.start_ns) == (digest, asker.start_ns):
            return
        if kept is not None:
            self._bytes -= self._kept.pop(place).size
        self._kept[place] = _Kept(digest, asker.start_ns, before, after)
        self._bytes += self._kept[place].size
        self._dropped.discard(place)
        while len(self._kept) > MOST or (self._bytes > MOST_BYTES and len(self._kept) > 1):
            gone, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size
            if len(self._dropped) < MOST:
                self._dropped.add(gone)
