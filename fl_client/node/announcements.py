"""What a node says of its predictions and of what functions made of them, as events."""

from dataclasses import dataclass
from datetime import datetime

from fl_client.inference.events import prediction_event
from fl_client.node.outbox import OutgoingMessage
from fl_client.node.pipeline import PredictedWindow
from fl_common.events import JSON, CloudEvent
from fl_common.functions import FunctionEvent
from fl_common.vocabulary import Task


@dataclass(frozen=True)
class Announcements:
    """Makes the events of ``source``, and names the topics that they go to."""

    task: Task
    source: str
    predictions: str
    happenings: str

    def prediction(
        self, answer: PredictedWindow, when: datetime, latency_s: float
    ) -> OutgoingMessage:
        """The event of a prediction."""
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
        self, name: str, happening: FunctionEvent, answer: PredictedWindow, when: datetime
    ) -> OutgoingMessage:
        """The event that the function ``name`` made of a prediction."""
        event = CloudEvent(
            id=f"{name}/{happening.kind}/{answer.start_ns}/{answer.prediction.digest[:16]}",
            source=self.source,
            type=f"org.jointhedots.{happening.kind}.v1",
            time=when,
            subject=name,
            datacontenttype=JSON,
            data={"function": name, "window_start_ns": answer.start_ns, **happening.data},
        )
        return OutgoingMessage(self.happenings, event, None)
