"""The events that a node publishes: its predictions, and the events of its functions."""

from dataclasses import dataclass
from datetime import datetime

from fl_client.inference.events import prediction_event
from fl_client.node.path import PredictedWindow
from fl_client.store.outbox import NewEvent
from fl_common.functions.events import (
    Event,
    FunctionEvent,
    Happening,
    Predicted,
    Reading,
    Tick,
    Window,
    kind_of_event,
)
from fl_common.vocabulary import Task
from fl_common.wire.cloud_events import JSON, CloudEvent


@dataclass(frozen=True)
class Announcements:
    """Builds the events of ``source``, each with its topic.

    An event's id names its window: by its start, and by ``cut``, a word for how windows are cut.
    """

    task: Task
    cut: str
    source: str
    predictions: str
    function_events: str

    def prediction(self, answer: PredictedWindow, when: datetime, latency_s: float) -> NewEvent:
        """The event of a prediction."""
        event = prediction_event(
            source=self.source,
            task=self.task,
            prediction=answer.prediction,
            row=answer.row,
            window_start_ns=answer.start_ns,
            cut=self.cut,
            time=when,
            latency_s=latency_s,
            stream=answer.predicted.stream,
        )
        return NewEvent(_topic(self.predictions, answer.predicted.stream), event)

    def function(
        self, name: str, found: FunctionEvent, number: int, given: Event, when: datetime
    ) -> NewEvent:
        """The event that the function ``name`` found, its ``number``-th one in ``given``."""
        stream = given.stream
        start = f"{stream}/{given.start_ns}" if stream else str(given.start_ns)
        named = {"stream": stream} if stream else {}
        event = CloudEvent(
            id=f"{name}/{_what(given)}{start}/{self.cut}/{number}",
            source=self.source,
            type=f"org.jointhedots.{found.kind}.v1",
            time=when,
            subject=stream or name,
            datacontenttype=JSON,
            data={"function": name, **named, _TIME[type(given)]: given.start_ns, **found.data},
        )
        return NewEvent(_topic(self.function_events, stream), event, name)


_TIME = {Reading: "time_ns", Tick: "time_ns"}
_TIME |= dict.fromkeys((Window, Predicted, Happening), "window_start_ns")
"""What the start of an event is called in the data of another one."""


def _what(given: Event) -> str:
    """What a function was given, in the id of what it found; predictions have the shortest."""
    match given:
        case Predicted():
            return ""
        case Reading():
            return f"reading/{given.sensor}/"
        case Happening():
            return f"{given.function}/{given.kind}/"
        case _:
            return f"{kind_of_event(given)}/"


def _topic(topic: str, stream: str) -> str:
    """The topic for events of ``stream``: below ``topic``, if it has a name."""
    return f"{topic}/{stream}" if stream else topic
