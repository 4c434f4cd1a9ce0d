"""``fl-simulate windows``: recordings become the windows that a box makes of the same readings."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from fl_client.node.recording import RecordedReadings
from fl_client.sensors import Annotation, Readings
from fl_client.windows import SECOND, Slicing
from fl_client.windows.grid import Grid
from fl_client.windows.labels import NO_LABEL, labels_of
from fl_client.windows.slide import Assembler
from fl_client.windows.truths import truths_of
from fl_common.errors import InvalidConfiguration, InvalidData
from simulate.data.windows.command import windows
from simulate.data.windows.cutting import source_of
from simulate.world.tables.task_file import read_task
from tests.support.own_data import world

T0 = 1_700_000_000
RATE = 50
TASK = """
task:
  _target_: models.tasks.declared
  name: gait
  channels: [ax, ay]
  units: [g, g]
  rate_hz: 50
  window_shape: [32, 2]
  labels: [still, walk]
  center: [0, 1]
  scale: [1, 2]
  windows_per_reading: 2
"""
STEP = "windows.step=16"
SECONDS_N = np.arange(3000) / RATE + 0.1
VALUES_NC = np.random.default_rng(0).normal(size=(3000, 2)).round(4)
LABELS_N = np.array(["still", "walk", "fall"])[(SECONDS_N // 5 + 1).astype(int) % 3]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("gait.yaml").write_text(TASK)
    Path("recordings").mkdir()
    return tmp_path


def recorded(
    path: str, times: NDArray[np.generic], *, labels: bool = True, rows: int = 3000
) -> None:
    heading = "time,ax,ay,label" if labels else "time,ax,ay"
    lines = [
        ",".join(map(str, (time, *values, *([label] if labels else []))))
        for time, values, label in zip(times, VALUES_NC.tolist(), LABELS_N, strict=True)
    ]
    Path(path).write_text("\n".join([heading, *lines]))


def nanoseconds() -> NDArray[np.int64]:
    return T0 * SECOND + np.round(SECONDS_N * SECOND).astype(np.int64)


def made(*words: str) -> dict[str, NDArray[np.generic]]:
    assert windows(["recordings", "--task", "gait.yaml", STEP, *words]) == 0
    with np.load("windows.npz") as file:
        return dict(file)


def test_they_are_the_windows_of_a_box(desk: Path) -> None:
    recorded("recordings/ann.csv", nanoseconds())
    lines = Path("recordings/ann.csv").read_text().splitlines()
    hole = lines[:2950] + lines[2958:]  # shorter than the longest gap: decided at the end
    Path("recordings/ann.csv").write_text("\n".join(hole))
    found = made()
    task = read_task("gait.yaml")
    slicing = Slicing(step=16, longest_gap_s=0.5, lateness_s=2.0, ahead_s=60.0)
    text = Path("recordings/ann.csv").read_text().replace(",fall", ",")
    Path("box.csv").write_text(text)  # a box does not take a label that the task does not have
    assembler, annotations, cut = Assembler(task, [source_of(task)], slicing), [], []
    for piece in RecordedReadings(
        Path("box.csv"), task, [source_of(task)], truths_of(task, slicing)
    ).pieces():
        assembler.add([item for item in piece.items if isinstance(item, Readings)], piece.now_ns)
        annotations += [item for item in piece.items if isinstance(item, Annotation)]
        cut += assembler.closed()
    cut += assembler.finish()
    starts_N = np.array([window.start_ns for window in cut])
    length_ns = Grid(task, slicing).length_ns
    labels_N = labels_of(starts_N, length_ns, annotations, task.labels, 0.9)
    kept_N = labels_N != NO_LABEL
    values = np.stack([window.values_TC for window in cut])[kept_N]
    assert len(values) > 100
    assert np.array_equal(found["x"], values)
    assert found["y"].tolist() == [task.labels[label] for label in labels_N[kept_N]]
    assert {*found["site"].tolist()} == {"ann"}


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (lambda s: (T0 + s).round(3), "time in s since 1970"),
        (lambda s: np.round((T0 + s) * 1e3).astype(np.int64), "time in ms since 1970"),
        (lambda s: nanoseconds(), "time in ns since 1970"),
        (lambda s: s.round(3), "time in s of its own"),
        (lambda s: np.round(s * 1e6).astype(np.int64), "time in us of its own"),
        (
            lambda s: np.array(
                [datetime.fromtimestamp(T0 + t, UTC).isoformat(timespec="milliseconds") for t in s]
            ),
            "dates in time",
        ),
    ],
)
def test_times_in_any_unit_give_as_many_windows(
    desk: Path,
    capsys: pytest.CaptureFixture[str],
    times: Callable[[NDArray[np.float64]], NDArray[np.generic]],
    said: str,
) -> None:
    recorded("recordings/ann.csv", times(SECONDS_N))
    found = made()
    assert said in capsys.readouterr().out
    assert 100 <= len(found["x"]) <= 115
    assert {*found["y"].tolist()} == {"still", "walk"}


def test_a_unit_that_cannot_be_known_is_asked_for(desk: Path) -> None:
    recorded("recordings/ann.csv", np.arange(3000) * 100_000)
    with pytest.raises(InvalidData, match=r"can't be known at 50 .*--unit s, ms, us or ns"):
        windows(["recordings", "--task", "gait.yaml", STEP])
    assert not Path("windows.npz").exists()


def test_intervals_label_as_a_column_does(desk: Path) -> None:
    recorded("recordings/ann.csv", nanoseconds())
    column = made()
    recorded("recordings/ann.csv", nanoseconds(), labels=False)
    lines = ["from,to,label,site"]
    for start in range(0, 65, 5):
        begin, end = max(start, 0.1), min(start + 5, 60.1)
        if begin < end:
            label = ("still", "walk", "fall")[(start // 5 + 1) % 3]
            lines.append(f"{round((T0 + begin) * 1e9)},{round((T0 + end) * 1e9)},{label},ann")
    Path("intervals.csv").write_text("\n".join(lines))
    intervals = made("--labels", "intervals.csv")
    assert np.array_equal(intervals["x"], column["x"])
    assert intervals["y"].tolist() == column["y"].tolist()


def test_what_is_left_out_is_told(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = nanoseconds()
    times[1500:] += 3 * SECOND  # a gap
    recorded("recordings/ann.csv", times)
    made()
    shown = capsys.readouterr().out
    assert "label fall, 4 times: the task does not have it" in shown
    assert "windows: a gap, or an end" in shown
    assert "windows: no label of the task" in shown
    assert shown.endswith(
        "python -m simulate task=arrays data.path=windows.npz data.task=gait.yaml\n"
    )


def test_sites_and_parts_by_column_and_place(desk: Path) -> None:
    table = {"time": nanoseconds(), "ax": VALUES_NC[:, 0], "ay": VALUES_NC[:, 1], "label": LABELS_N}
    for part, person in (("train", ["ann"] * 1500 + ["bob"] * 1500), ("test", ["cem"] * 3000)):
        pq.write_table(pa.table({**table, "person": person}), f"recordings/{part}.parquet")
    found = made()
    sites = dict(zip(found["site"].tolist(), found["split"].tolist(), strict=True))
    assert sites == {"ann": "train", "bob": "train", "cem": "test"}


def test_the_task_of_the_file_is_the_task_of_the_run(desk: Path) -> None:
    recorded("recordings/ann.csv", nanoseconds())
    made()
    own = world(Path("windows.npz"), declared="gait.yaml")
    assert own.task == read_task("gait.yaml")
    with pytest.raises(InvalidConfiguration, match=r"world\.scale beside data\.task"):
        world(Path("windows.npz"), declared="gait.yaml", scale=2.0)
    Path("other.yaml").write_text(TASK.replace("[32, 2]", "[16, 2]"))
    with pytest.raises(InvalidConfiguration, match=r"shape \(16, 2\): must fit the file"):
        world(Path("windows.npz"), declared="other.yaml")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("task:", "job:", "has no task with a _target_"),
        ("task:", "task: [", "is not YAML"),
        ("models.tasks.declared", "builtins.dict", "makes no task"),
        ("units: [g, g]", "units: [g]", "task.units with 1 entries: must have one for each"),
        ("center: [0, 1]", "center: [0, 1, 2]", "task.center with 3 entries"),
        ("scale: [1, 2]", "scale: [1, 0]", "task.scale=0: must be"),
        ("rate_hz: 50", "rate_hz: -1", "task.rate_hz=-1: must be"),
        ("window_shape: [32, 2]", "window_shape: [0, 2]", "task.window_shape=0: must be"),
        ("window_shape: [32, 2]", "window_shape: [2]", "must be null unless windows are"),
        ("window_shape: [32, 2]", "window_shape: [1, 2, 3, 4]", "must be .readings, channels"),
        ("windows_per_reading: 2", "windows_per_reading: 0", "windows_per_reading=0: must be"),
        ("windows_per_reading: 2", "windows_per_reading: 1", "of 2 windows, and task gait decl"),
        ("[ax, ay]", "[ax, az]", "has no column az, which is a channel of task gait"),
        ("[still, walk]", "[run, jump]", "gives no window of 0.64 s with a label .* still"),
    ],
)
def test_a_declaration_that_cannot_be_is_one_line(
    desk: Path, old: str, new: str, says: str
) -> None:
    recorded("recordings/ann.csv", nanoseconds())
    Path("gait.yaml").write_text(TASK.replace(old, new))
    with pytest.raises((InvalidConfiguration, InvalidData), match=says) as refused:
        windows(["recordings", "--task", "gait.yaml", STEP])
    assert "\n" not in str(refused.value)
    assert not Path("windows.npz").exists()


def test_a_forecast_needs_no_labels_and_its_windows_end_in_what_is_told(desk: Path) -> None:
    kind = "  kind: forecast\n  horizon: 8\n"
    unlabelled = TASK.replace("[still, walk]", "[]").replace("reading: 2", "reading: 3")
    Path("gait.yaml").write_text(unlabelled + kind)
    recorded("recordings/ann.csv", nanoseconds(), labels=False)
    found = made("windows.longest_gap_s=1")
    assert set(found) == {"x", "site"}
    assert found["x"].shape[1:] == (40, 2)
    learnt = world(Path("windows.npz"), declared="gait.yaml")
    assert learnt.task.window_shape == (32, 2)
    windows_N, rows = learnt.windows(0), len(learnt.windows(0))
    np.testing.assert_array_equal(windows_N.values, found["x"][:rows, :32])
    ahead_NCH = found["x"][:rows, 32:].transpose(0, 2, 1)
    np.testing.assert_array_equal(windows_N.labels[:, :, 2:], ahead_NCH)
    np.testing.assert_array_equal(windows_N.labels[:, :, 0], found["x"][:rows, 31])


def test_a_reading_counts_in_what_is_told_too(desk: Path) -> None:
    kind = "  kind: forecast\n  horizon: 8\n"
    Path("gait.yaml").write_text(TASK.replace("[still, walk]", "[]") + kind)
    recorded("recordings/ann.csv", nanoseconds(), labels=False)
    with pytest.raises(InvalidConfiguration, match="part of 3 windows"):
        made()


def test_each_reading_has_the_label_of_its_time(desk: Path) -> None:
    """One window is across a change of labels, and none has a reading without one."""
    Path("gait.yaml").write_text(TASK + "  kind: sequence\n")
    recorded("recordings/ann.csv", nanoseconds())
    found = made()
    assert found["y"].shape == found["x"].shape[:2]
    assert set(np.unique(found["y"])) == {0, 1}
    place_of = {tuple(values): row for row, values in enumerate(VALUES_NC.astype(np.float32))}
    for x_TC, y_T in zip(found["x"], found["y"], strict=True):
        rows = [place_of.get(tuple(values)) for values in x_TC]
        told = [("still", "walk")[label] for label in y_T]
        known = [(name, LABELS_N[row]) for name, row in zip(told, rows, strict=True) if row]
        assert sum(name != label for name, label in known) <= 1, "half a reading at a change"
    assert any(len(set(y_T.tolist())) == 2 for y_T in found["y"])
    learnt = world(Path("windows.npz"), declared="gait.yaml")
    assert learnt.windows(0).labels.shape[1:] == (32,)


@pytest.mark.parametrize(
    ("kind", "more", "words", "expected"),
    [
        ("regression", "labels: []\n  range: [0, 50]", ("12.5", "40"), {12.5, 40.0}),
        ("multilabel", "labels: [still, walk]", ("still", "walk;still"), {"still", "still;walk"}),
        ("anomaly", "labels: []", ("normal", "anomaly"), {0, 1, -1}),
    ],
    ids=["regression", "multilabel", "anomaly"],
)
def test_windows_of_each_kind_are_cut_and_can_be_trained_on(
    desk: Path, kind: str, more: str, words: tuple[str, str], expected: set[object]
) -> None:
    declared = TASK.replace("labels: [still, walk]", f"{more}\n  kind: {kind}")
    Path("gait.yaml").write_text(declared)
    recorded("recordings/ann.csv", nanoseconds())
    text = Path("recordings/ann.csv").read_text()
    for old, new in zip((",still", ",walk", ",fall"), (*words, ""), strict=True):
        text = text.replace(old, f",{new}")
    Path("recordings/ann.csv").write_text(text)
    labels = made(STEP)["y"].tolist()
    assert expected <= {*labels}
    assert sum(label in expected for label in labels) > 0.9 * len(labels)
    own = world(Path("windows.npz"), declared="gait.yaml")
    assert own.task == read_task("gait.yaml")
