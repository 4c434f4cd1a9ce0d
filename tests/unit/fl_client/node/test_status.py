"""The status of a box that does not run, from its files."""

import io
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from fl_client.home import STORE
from fl_client.inference.events import latest_of
from fl_client.node.status import read_status
from fl_client.node.status_table import _functions, _windows, status_table
from fl_client.store.database import open_store, transaction
from fl_client.store.outbox import NewEvent, StoredEvents
from fl_client.store.windows import WindowCounts
from fl_common.functions import Predicted
from fl_common.vocabulary import KindSpec, Task
from fl_common.wire.cloud_events import JSON, CloudEvent
from models.kinds.anomaly import anomaly
from models.kinds.forecast import forecast
from models.kinds.multilabel import multilabel
from models.kinds.regression import regression
from tests.support import samples


def of(kind: KindSpec) -> Task:
    """A task of that kind."""
    return replace(samples.TASK, labels=(), kind=kind)


OVEN = of(regression(0.0, 50.0, "Cel", None))


def shown(home: Path) -> str:
    told = io.StringIO()
    Console(file=told, width=200).print(status_table(read_status(home)))
    return told.getvalue()


def test_it_has_the_events_that_wait_and_why_others_were_dropped(tmp_path: Path) -> None:
    event = CloudEvent("e", "urn:box", "t", datacontenttype=JSON, data=1)
    with closing(open_store(tmp_path / STORE)) as connection:
        stored = StoredEvents(connection, 100, has_broker=True)
        with transaction(connection):
            stored.put([NewEvent("events/box", event)] * 5)
            stored.settle([(1, None), (2, "not_authorized")])
    told = shown(tmp_path)
    assert "5 made = 1 published + 3 waiting + 1 dropped" in told
    assert "1 not_authorized" in told


def test_it_says_why_windows_of_functions_were_dropped() -> None:
    windows = {"put": 9, "done": 2, "waiting": 0, "dropped": {"full": 4, "old": 0, "chain": 3}}
    rows = dict(_functions({"windows": windows, "failures": {}}))
    assert str(rows["functions"]).endswith("+ 7 dropped")
    assert str(rows[""]) == "dropped: 4 full, 3 chain"


def test_it_has_no_events_of_a_box_that_never_ran(tmp_path: Path) -> None:
    open_store(tmp_path / STORE).close()
    assert "0 made = 0 published + 0 waiting + 0 dropped" in shown(tmp_path)


@pytest.mark.parametrize(
    ("task", "labels", "answer", "says"),
    [
        (samples.TASK, samples.TASK.labels, (0.1, 0.15, 0.75), "with probability 0.75"),
        (OVEN, ("value",), (21.5,), "the latest: 21.5 Cel"),
        (of(multilabel(["on", "hot"])), ("on", "hot"), (0.9, 0.8), "the latest: on, hot"),
        (of(multilabel(["on", "hot"])), ("on", "hot"), (0.1, 0.2), "the latest: no label"),
        (
            of(anomaly(None)),
            ("score", "threshold"),
            (3.0, 1.5),
            "anomalous, with a score of 3 beside 1.5",
        ),
        (
            of(forecast(2)),
            ("value",),
            (1.0, 2.0, 3.0, 4.0),
            "the latest: x 2, y 4, 2 readings ahead",
        ),
    ],
    ids=["label", "number", "labels", "no label", "anomaly", "forecast"],
)
def test_the_latest_prediction_is_told_as_its_task_s_kind_tells_it(
    task: Task, labels: tuple[str, ...], answer: tuple[float, ...], says: str
) -> None:
    latest = latest_of(task, Predicted(0, 1, labels, answer))
    lines = _windows(
        {
            "windows": {"kept": 1, "labelled": 0, "need_labels": True},
            "accuracy": {"agreeing": 0, "judged": 0, "measures": {}, "told": []},
            "predictions": 1,
            "latest_prediction": latest,
            "streams": {"number": 1, "latest": {"pump": latest}},
        }
    )
    told = [str(words) for _, words in lines]
    assert told[2].endswith(says)
    assert told[3].startswith("1; pump: ")
    assert told[3].endswith(says.removeprefix("the latest: "))


@pytest.mark.parametrize(
    ("need_labels", "says"),
    [(True, "2 kept, 1 labelled"), (False, "2 kept, 1 labelled (no label is needed)")],
)
def test_whether_windows_need_labels_is_told(need_labels: bool, says: str) -> None:
    first, *_ = _windows(
        {
            "windows": WindowCounts(2, 1, 0, need_labels=need_labels).shown(),
            "accuracy": {"judged": 0},
            "predictions": 0,
            "latest_prediction": None,
            "streams": {"latest": {}},
        }
    )
    assert first == ("windows", says)
