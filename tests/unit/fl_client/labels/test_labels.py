"""``fl-client label`` and ``labels``: what a person tells, sees and takes back on a box."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import topic_matches_sub

from fl_client.__main__ import main
from fl_client.clock.guard import Instant
from fl_client.configuration import read_config
from fl_client.home import LEDGER, STORE
from fl_client.ledger.ledger import Charge, Ledger
from fl_client.node.assembly.declared import build_declared
from fl_client.node.assembly.node import build_node
from fl_client.node.pipeline import PipelineStep
from fl_client.sensors import Annotation
from fl_client.sensors.intake import Intake
from fl_client.sensors.transports import Delivery
from fl_client.store.database import open_store, reading
from fl_client.store.in_memory import open_kept
from fl_client.store.label_requests import LabelRequest, LabelRequests, put_request
from fl_client.store.outbox import PublishProgress
from fl_client.store.window_reading import read_labelled
from tests.support.nodes import PERIOD, START, WEARABLES, message, place_model
from tests.support.samples import WINDOW_PRIVACY

MESSAGES, WINDOWS = 80, 19
WINDOW_NS = WEARABLES.window_shape[0] * PERIOD
DAY = f"{datetime.fromtimestamp(START / 1e9, UTC):%Y-%m-%d}"
BOX = ("name=box", "sensors=wearables_raw", "functions=none", "retention.days=36500")


def iso(at_ns: int) -> str:
    """With an offset, so that the machine's zone has no part in it."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat()


SPAN = ("--from", iso(START), "--to", iso(START + 4 * WINDOW_NS))
LATER = ("--from", iso(START + 4 * WINDOW_NS), "--to", iso(START + 8 * WINDOW_NS))


class Box:
    """A box's pipeline, which takes one step at a time."""

    def __init__(self, home: Path) -> None:
        self.home = home
        options = (f"home={home}", *BOX)
        self.pipeline = build_node(read_config(None, options), connected=True).loop.pipeline
        declared = build_declared(read_config(None, options), WEARABLES)
        self._slicing = declared.slicing
        self.intake = Intake(declared.messages["mqtt"], topic_matches_sub, 10**6)

    def step(self, *sent: Delivery) -> PipelineStep:
        now = Instant(2_000_000_000 * 10**9, 10**9)
        arrivals = self.intake.arrivals(sent, now.wall_ns)
        return self.pipeline.advance(arrivals, PublishProgress((), 0, 0, True), now)

    def trained_on(self) -> list[int]:
        """The starts of the windows that training reads."""
        found = read_labelled(self.home / STORE, WEARABLES, self._slicing)
        starts: list[int] = found.starts_N.tolist()
        return starts

    def labels(self) -> list[int | None]:
        """The label of each window, by its start."""
        with reading(self.home / STORE) as connection:
            rows = connection.execute("SELECT label FROM windows ORDER BY start_ns").fetchall()
        return [label for (label,) in rows]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    place_model(tmp_path / "box")
    box = Box(tmp_path / "box")
    box.step(*(Delivery("sensors/box/watch", message(n), "", again=True) for n in range(MESSAGES)))
    assert len(box.labels()) == WINDOWS
    return box


def said(box: Box, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main([*words, "--home", str(box.home)])
    return capsys.readouterr().out


def shown(box: Box, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(said(box, capsys, "labels", "--json"))
    return rows


def refused(capsys: pytest.CaptureFixture[str], home: Path, *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--home", str(home)])
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def labelled(*labels: str) -> Sequence[int]:
    return [WEARABLES.labels.index(label) for label in labels]


def test_the_node_labels_windows_by_what_was_told_while_it_was_off(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is told" in said(box, capsys, "label", "ABD", *SPAN)
    assert box.labels() == [None] * WINDOWS
    (row,) = shown(box, capsys)
    assert (row["label"], row["waits"], row["windows"], row["trained"]) == ("ABD", True, 0, False)
    box.step()
    told = [label for label in box.labels() if label is not None]
    (row,) = shown(box, capsys)
    assert told == labelled("ABD") * row["windows"]
    assert row["windows"] >= 4
    assert not row["waits"]
    again = Box(box.home)  # carried out once, also after a restart
    again.step()
    assert len(shown(again, capsys)) == 1


def test_a_label_that_is_taken_back_leaves_what_else_was_told(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    for label, span in (("ABD", SPAN), ("PEN", SPAN), ("PEN", LATER)):
        said(box, capsys, "label", label, *span)
    box.step()
    contradicting = box.labels()
    assert contradicting[0] is None
    wrong = next(row["id"] for row in shown(box, capsys) if row["label"] == "ABD")
    assert "ABD is taken back\n" in said(box, capsys, "labels", "--withdraw", wrong)
    assert wrong not in {row["id"] for row in shown(box, capsys)}
    box.step()
    assert {label for label in box.labels() if label is not None} == {*labelled("PEN")}
    assert box.labels()[0] == labelled("PEN")[0]
    assert wrong in refused(capsys, box.home, "labels", "--withdraw", wrong)


def test_a_withdrawn_message_stays_withdrawn_when_it_comes_again(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"from": START, "to": START + 4 * WINDOW_NS, "label": "ABD", "id": "7"}
    sent = Delivery("labels/box", json.dumps(told).encode(), "", again=True)
    box.step(sent)
    (row,) = shown(box, capsys)
    assert row["windows"] >= 4
    said(box, capsys, "labels", "--withdraw", row["id"])
    box.step()
    assert box.labels() == [None] * WINDOWS
    with closing(box.pipeline._path.connection) as connection:  # as if identities were forgotten
        connection.execute("DELETE FROM spool_seen")
    Box(box.home).step(sent)
    assert box.labels() == [None] * WINDOWS
    said(box, capsys, "label", "ABD", *SPAN)  # a person may tell it anew
    Box(box.home).step()
    assert box.labels()[0] == labelled("ABD")[0]


@pytest.mark.parametrize(("run", "trained"), [("5e62", True), ("5e62/model", False)])
def test_a_day_that_was_trained_on_is_said(
    box: Box, capsys: pytest.CaptureFixture[str], run: str, trained: bool
) -> None:
    said(box, capsys, "label", "ABD", *SPAN)
    box.step()
    with closing(Ledger(box.home / LEDGER, lambda: 2e9, "box")) as ledger:
        charge = Charge("box", run, 1, run, WINDOW_PRIVACY, (DAY,), False)
        assert isinstance(ledger.debit([charge])[0], tuple)
    (row,) = shown(box, capsys)
    assert row["trained"] is trained
    out = said(box, capsys, "labels", "--withdraw", row["id"])
    assert ("was trained on before" in out) is trained
    box.step()
    assert box.labels() == [None] * WINDOWS


def test_a_ledger_that_cant_be_read_is_said(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    said(box, capsys, "label", "ABD", *SPAN)
    (box.home / LEDGER).write_bytes(b"no ledger")
    assert shown(box, capsys)[0]["trained"] is None
    assert "unknown" in said(box, capsys, "labels")


def test_the_table_shows_the_newest(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(box, capsys, "labels") == "no label was told, and nothing is left out\n"
    for number in range(22):
        span = ("--from", iso(START + number * PERIOD), "--to", iso(START + WINDOW_NS))
        said(box, capsys, "label", "ABD", *span)
    assert "and 2 older ones: --all shows them" in said(box, capsys, "labels")
    assert len(said(box, capsys, "labels", "--all").splitlines()) == 23


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("label", "asleep", *SPAN), "one of "),
        (("label", "ABD", "--from", "now", "--to", "10m"), "ends before it begins"),
        (("label", "ABD", "--from", "yesterday"), "is no time"),
        (("label", "ABD", "--from", "20260131"), "is no time"),
        (("label", "ABD", "--from", "25:10"), "is no time"),
        (("label", "ABD", "--from", "9999999999d"), "is no time"),
        (("label", "ABD", "--from", "1m", "--to", "2999-01-01"), "ahead of the clock"),
        (("label", "ABD", "--from", "1m", "--stream", "a"), "Leave it out"),
        (("leave-out", "--from", "now", "--to", "10m"), "ends before it begins"),
        (("leave-out", "--from", "1m", "--stream", "a"), "Leave it out"),
        (("labels", "--withdraw", "12345678"), "is no label that was told"),
    ],
)
def test_what_tells_nothing_is_refused(
    box: Box, capsys: pytest.CaptureFixture[str], words: Sequence[str], part: str
) -> None:
    assert part in refused(capsys, box.home, *words)
    assert shown(box, capsys) == []


def test_the_same_is_told_once(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    said(box, capsys, "label", "ABD", *SPAN)
    assert "was told before" in refused(capsys, box.home, "label", "ABD", *SPAN)


def test_a_label_that_the_task_no_longer_has_is_counted(box: Box) -> None:
    """It was told of another task, before the box was set up anew."""
    with closing(open_store(box.home / STORE)) as connection:
        told = Annotation("1", START, START + WINDOW_NS, "asleep", WEARABLES.name)
        put_request(connection, LabelRequest(told, False))
    assert sum(box.step().unused_labels.values()) == 1
    assert box.labels() == [None] * WINDOWS


def test_an_interval_is_left_out_of_training_until_it_is_taken_back(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the node runs, which need not do anything."""
    said(box, capsys, "label", "ABD", "--from", iso(START), "--to", iso(START + 40 * WINDOW_NS))
    box.step()
    before = box.trained_on()
    out = said(box, capsys, "leave-out", *SPAN)
    assert "is left out of training from now on" in out
    row = next(row for row in shown(box, capsys) if row["label"] is None)
    assert f"{row['windows']} windows" in out
    assert len(before) - len(box.trained_on()) == row["windows"] > 0
    assert min(box.trained_on()) >= START + 4 * WINDOW_NS
    assert "left out" in said(box, capsys, "labels")
    assert "was done before" in refused(capsys, box.home, "leave-out", *SPAN)
    assert box.step().unused_labels == {}
    assert "is used again" in said(box, capsys, "labels", "--withdraw", row["id"])
    assert box.trained_on() == before
    assert row["id"] in refused(capsys, box.home, "labels", "--withdraw", row["id"])


def test_a_day_that_was_trained_on_is_said_of_what_is_left_out(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Ledger(box.home / LEDGER, lambda: 2e9, "box")) as ledger:
        charge = Charge("box", "5e62", 1, "5e62", WINDOW_PRIVACY, (DAY,), False)
        assert isinstance(ledger.debit([charge])[0], tuple)
    assert "was trained on before" in said(box, capsys, "leave-out", *SPAN)


@pytest.mark.parametrize(
    "words", [("label", "quiet", "--from", "1m"), ("leave-out", "--from", "1m"), ("labels",)]
)
def test_a_box_that_keeps_no_windows_is_told_by_messages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str]
) -> None:
    with closing(open_kept(tmp_path / STORE, in_memory=True)) as connection:
        LabelRequests(connection, WEARABLES, "cut")
    assert "keeps no windows to label" in refused(capsys, tmp_path, *words)
    assert "as messages" in refused(capsys, tmp_path, *words)


@pytest.mark.parametrize(
    "words", [("label", "ABD", "--from", "1m"), ("leave-out", "--from", "1m"), ("labels",)]
)
def test_a_folder_where_no_box_has_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str]
) -> None:
    assert STORE in refused(capsys, tmp_path, *words)
