"""The events that a node publishes: its predictions, and the events of its functions."""

from dataclasses import dataclass
from datetime import datetime

from fl_client.inference.events import prediction_event
from fl_client.node.outbox import OutgoingMessage
from fl_client.node.pipeline import PredictedWindow
from fl_common.functions import FunctionEvent
from fl_common.vocabulary import Task
from fl_common.wire.cloud_events import JSON, CloudEvent


@dataclass(frozen=True)
class Announcements:
    """Builds the events of ``source`` with their topics."""

    task: Task
    source: str
    predictions: str
    function_events: str

    def prediction(
        self, answer: PredictedWindow, when: datetime, latency_s: float
    ) -> OutgoingMessage:
        """The message for a prediction."""
        event = prediction_event(
            source=self.source,
            task=self.task,
            prediction=answer.prediction,
            row=answer.row,
            window_start_ns=answer.start_ns,
            time=when,
            latency_s=latency_s,
        )
        return OutgoingMessage(self.predictions, event, answer)

    def function(
        self, name: str, found: FunctionEvent, answer: PredictedWindow, when: datetime
    ) -> OutgoingMessage:
        """The message for an event that the function ``name`` found in a prediction."""
        event = CloudEvent(
            id=f"{name}/{found.kind}/{answer.start_ns}/{answer.prediction.digest[:16]}",
            source=self.source,
            type=f"org.jointhedots.{found.kind}.v1",
            time=when,
            subject=name,
            datacontenttype=JSON,
            data={"function": name, "window_start_ns": answer.start_ns, **found.data},
        )
        return OutgoingMessage(self.function_events, event, None)
