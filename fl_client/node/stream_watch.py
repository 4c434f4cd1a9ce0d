"""What an operator sees of a node's streams: how many, and the newest prediction of each."""

from fl_client.node.pipeline import PipelineStep
from fl_client.windows import MOST_STREAMS
from fl_common.functions import Predicted
from fl_common.programs.troubles import Troubles

_PART = "streams"
_QUIET_NS = 60 * 10**9


class StreamWatch:
    """Follows a pipeline's steps; a stream too many is a trouble until a minute has none."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._surplus_ns: int | None = None
        self.number = 0
        """The streams at the moment, with the one without a name if there is one."""
        self.latest: dict[str, Predicted] = {}
        """The newest prediction since the start of each stream that has a name."""

    def note(self, done: PipelineStep, now_ns: int) -> None:
        """Note the results of a step at ``now_ns``."""
        self.number = done.streams
        new = {a.predicted.stream: a.predicted for a in done.answers if a.predicted.stream}
        if new:  # another thread may read the old one
            others = [item for item in self.latest.items() if item[0] not in new]
            self.latest = dict([*others, *new.items()][-MOST_STREAMS:])
        if done.surplus:
            self._surplus_ns = now_ns
            cause = f"there are {done.streams}, the most, and messages of others are lost"
            remedy = "Raise most_streams, or correct which level of the topics names a stream"
            self._troubles.begin(_PART, cause, remedy)
        elif self._surplus_ns is not None and not 0 <= now_ns - self._surplus_ns < _QUIET_NS:
            self._surplus_ns = None
            self._troubles.end(_PART)
