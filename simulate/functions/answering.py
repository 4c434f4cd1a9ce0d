"""A CloudEvent for a function, and what it finds as CloudEvents: ``fl-fn serve`` without HTTP.

An event's data are one of the contract's (``{"tick": {"time_ns": 0}}``), or those of a box's own
prediction (``docs/reference/inference.md``). What the function remembers is kept for each stream,
in memory.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fl_common.errors import InvalidData
from fl_common.functions.asked import Model, no_model
from fl_common.functions.cases import State
from fl_common.functions.events import EVENTS, Event, Predicted, event_fields, event_of
from fl_common.functions.sandbox.outcome import Failure, Outcome
from fl_common.wire.cloud_events import JSON, PREDICTION, CloudEvent
from simulate.functions.opened import Opened
from simulate.functions.showing import time_of

MOST_STREAMS = 1000
"""Whose states are kept; beyond that the one that was not seen for longest begins anew."""
_SECOND_NS = 10**9
_REMEDY = "See docs/reference/fl-fn.md"


@dataclass(frozen=True)
class Answered:
    """What came of an event: the events that were found, or why the function failed."""

    events: Sequence[CloudEvent]
    outcome: Outcome

    @property
    def failure(self) -> Failure | None:
        """Why it failed; None: it did not."""
        return self.outcome.failure


class Answering:
    """Asks the function ``opened``, one event at a time; any thread may call it.

    ``model`` answers what it asks.
    """

    def __init__(self, opened: Opened, model: Model = no_model) -> None:
        self._opened, self._model, self._turn = opened, model, threading.Lock()
        self._states: OrderedDict[str, State] = OrderedDict()

    def __call__(self, given: CloudEvent) -> Answered:
        """What the function finds.

        Raises:
            InvalidData: the data are no event of a function, or not of a kind that it is given.
        """
        event = _event_in(given)
        (kind,) = event_fields(event)
        if kind not in self._opened.kinds:
            rule = f"is no {' or '.join(self._opened.kinds)}, which {self._opened.name} is given"
            raise InvalidData(f"an event of kind {kind}", rule, _REMEDY)
        with self._turn:
            state = self._states.pop(event.stream, {})
            outcome = self._opened.function.call(event, state, self._model)
            self._states[event.stream] = outcome.state
            if len(self._states) > MOST_STREAMS:
                self._states.popitem(last=False)
        return Answered(self._told(given, event, outcome), outcome)

    def _told(self, given: CloudEvent, event: Event, outcome: Outcome) -> list[CloudEvent]:
        """Each event that was found; its id names the event given, so a repetition is known."""
        name, start_ns = self._opened.name, time_of(event)
        stream = {"stream": event.stream} if event.stream else {}
        return [
            CloudEvent(
                id=f"{name}/{given.id}/{number}",
                source=f"urn:jointhedots:function:{name}",
                type=f"org.jointhedots.{one.kind}.v1",
                time=datetime.fromtimestamp(start_ns / _SECOND_NS, UTC),
                subject=event.stream or name,
                datacontenttype=JSON,
                data={"function": name, **stream, "window_start_ns": start_ns, **one.data},
            )
            for number, one in enumerate(outcome.events)
        ]


def _event_in(given: CloudEvent) -> Event:
    data = given.data
    if isinstance(data, dict) and len(data) == 1 and next(iter(data)) in EVENTS:
        return event_of(data)
    if given.type == PREDICTION and isinstance(data, dict):
        return _prediction(data)
    rule = f"must be an object of one of {', '.join(EVENTS)}, or those of {PREDICTION}"
    raise InvalidData(f"the data of {given.id[:80]}", rule, _REMEDY)


def _prediction(data: Mapping[str, Any]) -> Predicted:
    """What a box tells of a window with a label, as a function is given it there.

    Raises:
        InvalidData: it is none.
    """
    shares, start_ns, window_s = (
        data.get(name) for name in ("probabilities", "window_start_ns", "window_s")
    )
    if not isinstance(shares, dict) or not isinstance(start_ns, int):
        raise InvalidData("a prediction", "has no probabilities and window_start_ns", _REMEDY)
    length_s = window_s if isinstance(window_s, int | float) else 0
    fields = {
        "start_ns": start_ns,
        "end_ns": start_ns + round(length_s * _SECOND_NS),
        "names": list(shares),
        "values": list(shares.values()),
        "stream": data.get("stream", ""),
        "said": data.get("label", ""),
        "model": data.get("model", ""),
    }
    event = event_of({"prediction": fields})
    assert isinstance(event, Predicted)
    return event
