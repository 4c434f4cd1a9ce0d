"""What a function is shown of windows, in order, and what came of it."""

from collections.abc import Iterator, Sequence

from fl_common.errors import InvalidConfiguration
from fl_common.functions.asked import Model, no_model
from fl_common.functions.cases import State
from fl_common.functions.events import Event, Reading, Tick
from fl_common.functions.sandbox.outcome import Outcome
from simulate.functions.opened import Opened
from simulate.functions.seen import SeenWindow

Called = tuple[Event, Outcome]
"""An event, and what came of it."""


def events_for(kinds: Sequence[str], windows: Sequence[SeenWindow]) -> Iterator[Event]:
    """What a function that is given these ``kinds`` of events is shown of windows, in order.

    Raises:
        InvalidConfiguration: it is given nothing that windows have.
    """
    known = [kind for kind in kinds if kind != "happening"]
    if not known:
        raise InvalidConfiguration(
            "a function of happenings",
            "is given what other functions find, and not windows",
            "Write such events into cases.jsonl, and use fl-fn test",
        )
    last_ns: dict[str, int] = {}
    for seen in windows:
        window = seen.window
        if "reading" in known:
            yield from _readings(seen, last_ns.get(window.stream, -1))
        last_ns[window.stream] = window.end_ns
        if "window" in known:
            yield window
        if "prediction" in known:
            yield seen.predicted
        if "tick" in known:
            yield Tick(window.end_ns, window.stream)


def _readings(seen: SeenWindow, after_ns: int) -> Iterator[Reading]:
    """A window's readings that no window before it has had."""
    window, width = seen.window, len(seen.window.channels)
    count = len(window.values) // width
    step_ns = (window.end_ns - window.start_ns) // count
    for number in range(count):
        time_ns = window.start_ns + number * step_ns
        if time_ns >= after_ns:
            values = window.values[number * width : (number + 1) * width]
            yield Reading("recording", time_ns, tuple(values), window.stream)


def called(opened: Opened, events: Iterator[Event], model: Model = no_model) -> list[Called]:
    """Each event with what came of it; what the function remembers is kept by stream.

    ``model`` answers what it asks.
    """
    states: dict[str, State] = {}
    shown = []
    for event in events:
        outcome = opened.function.call(event, states.get(event.stream, {}), model)
        states[event.stream] = outcome.state
        shown.append((event, outcome))
    return shown


def time_of(event: Event) -> int:
    """When an event was, in nanoseconds since 1970."""
    return event.time_ns if isinstance(event, Reading | Tick) else event.start_ns
