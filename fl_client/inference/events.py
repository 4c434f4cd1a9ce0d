"""A prediction as an event for the site's own subscribers."""

from datetime import datetime

from fl_client.inference.prediction import Prediction
from fl_common.vocabulary import Task
from fl_common.wire.cloud_events import JSON, PREDICTION, CloudEvent
from models.kinds import kind_of


def prediction_event(
    source: str,
    task: Task,
    prediction: Prediction,
    row: int,
    window_start_ns: int,
    cut: str,
    time: datetime,
    latency_s: float,
    stream: str = "",
) -> CloudEvent:
    """The event for window ``row`` of ``prediction``, which must have a prediction.

    ``window_start_ns`` is in nanoseconds since 1970, ``cut`` a word for how windows are cut, and
    ``latency_s`` the seconds from the window's last reading to the prediction. The window's
    ``stream``, if it has a name, is the subject. The ``id`` depends on the window alone, so a
    subscriber can recognise a repeated event by ``source`` and ``id``.
    """
    window_s = task.window_shape[0] / task.rate_hz if task.rate_hz else None
    data = {
        "task": task.name,
        **({"stream": stream} if stream else {}),
        **kind_of(task).told(prediction.answers_ND[row].tolist()),
        "window_start_ns": window_start_ns,
        "window_s": window_s,
        "model": prediction.digest,
        "latency_s": round(latency_s, 6),
    }
    window = f"{task.name}/{stream}" if stream else task.name
    return CloudEvent(
        id=f"{window}/{window_start_ns}/{cut}",
        source=source,
        type=PREDICTION,
        time=time,
        subject=stream or task.name,
        datacontenttype=JSON,
        data=data,
    )
