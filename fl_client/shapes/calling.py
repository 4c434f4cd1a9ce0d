"""One call of a shape in its host: what it made of a window, or why there is nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from fl_client.functions.host import ENDED, Answer, CallEnded, FunctionSource, Host
from fl_client.shapes.held import HeldShape
from fl_client.windows import Window
from fl_common.functions.events import Window as WindowEvent
from fl_common.functions.shape import Misshapen, given_window, made_values

_TRIES = 3
_BY_CHANCE = (ENDED, "time")
"""What a busy machine can bring about: no word on the window before it was tried again."""


@dataclass(frozen=True)
class Unfit:
    """A window that the shape made nothing of: the ``reason`` in a word, and what was said."""

    reason: str
    text: str


Shaped = Window | Unfit


class Caller:
    """Calls versions of a shape in ``host``, each under a key of its own; for one thread.

    Whether a window is dropped depends on that window alone: a shape keeps nothing, no number of
    failures disables it, and a call that ended by its time, or with its process, is made again.
    """

    def __init__(self, host: Host, length_ns: int) -> None:
        self._host, self._length_ns = host, length_ns
        self._keys: dict[str, int] = {}
        self.seconds = 0.0
        """Time in calls, since the start."""
        self.fuel = 0

    def keep(self, shapes: list[HeldShape]) -> None:
        """Let the host forget all versions but these."""
        digests = [shape.record.digest for shape in shapes]
        self._host.keep([key for digest, key in self._keys.items() if digest in digests])

    def __call__(self, shape: HeldShape, window: Window) -> Shaped:
        """What ``shape`` makes of a window as it was cut.

        Raises:
            HostClosed: the host was closed.
        """
        task = shape.task.as_cut
        place = (window.start_ns, self._length_ns, window.stream)
        event = given_window(task, window.values_TC, *place)
        key = self._keys.setdefault(shape.record.digest, len(self._keys))
        answer = called(self._host, key, shape.source, event)
        self.seconds += answer.seconds
        self.fuel += answer.fuel
        if answer.failures or not answer.events:
            return Unfit(answer.cause, "; ".join(answer.failures) or "it made nothing")
        data = answer.events[0].data
        try:
            rows = shape.task.window_shape[0]
            made_TC = made_values(task, data["channels"], data["values"], rows)
        except Misshapen as error:
            return Unfit(error.reason, f"it made {error}")
        except (LookupError, TypeError, ValueError, OverflowError):
            return Unfit(ENDED, "its answer is none")
        return replace(window, values_TC=made_TC)


def called(host: Host, key: int, source: FunctionSource, event: WindowEvent) -> Answer:
    """The host's answer for one window, after up to ``_TRIES`` calls. Raises HostClosed."""
    answer = Answer(None, None, ["it was not called"], 0.0)
    for _ in range(_TRIES):
        answer = _once(lambda: host.call(key, source, None, event))
        if not answer.failures or answer.cause not in _BY_CHANCE:
            break
    return answer


def _once(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except CallEnded as error:
        return Answer(None, None, [str(error)], 0.0, cause=ENDED)
