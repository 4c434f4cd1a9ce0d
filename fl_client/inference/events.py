"""A prediction as an event for the site's own subscribers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fl_client.inference.prediction import Prediction
from fl_common.functions import Predicted
from fl_common.vocabulary import Task
from fl_common.wire.cloud_events import JSON, PREDICTION, CloudEvent
from models.kinds import Truth, kind_of


def predicted_of(
    task: Task, prediction: Prediction, row_D: list[float], span_ns: tuple[int, int], stream: str
) -> Predicted:
    """What functions are given of one row of ``prediction``, whose window has this span."""
    kind = kind_of(task)
    return Predicted(
        *span_ns, prediction.labels, tuple(row_D), stream,
        task.kind.name, kind.label(row_D), kind.said(row_D), prediction.digest,
    )  # fmt: skip


def told_of(task: Task, predicted: Predicted) -> dict[str, Any]:
    """What a prediction's event says of its answer, without the probability of each label."""
    told = kind_of(task).told(predicted.probabilities)
    return {name: value for name, value in told.items() if name != "probabilities"}


def latest_of(task: Task, predicted: Predicted | None) -> dict[str, Any] | None:
    """The newest prediction in a status, as JSON values; None: there is none yet."""
    if predicted is None:
        return None
    said = kind_of(task).said(predicted.probabilities)
    return {"window_start_ns": predicted.start_ns, **told_of(task, predicted), "said": said}


def measures_of(task: Task, values: Mapping[str, float]) -> list[str]:
    """The measures that are known, in words; not the share of windows that agree."""
    kind = kind_of(task)
    said = {"accuracy"} if kind.truth is Truth.LABEL else set[str]()
    known = [each for each in kind.measures if each.name in values.keys() - said]
    return [each.told(values[each.name]) for each in known]


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
