"""Pictures as windows: one each, in any order, within the limits of any reading."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fl_client.sensors import Annotation, Readings
from fl_client.store.database import open_store
from fl_client.store.windows import WindowStore
from fl_client.windows import SECOND, Slicing, Source, Window
from fl_client.windows.frames import Frames
from fl_client.windows.grid import Grid, windows_per_reading
from fl_client.windows.split import HeldOut, split_of
from fl_client.windows.streams import Streams
from fl_common.errors import InvalidConfiguration
from tests.support.pictures import noise, task
from tests.support.windowing import NOW, T0

TASK = task(4, 5, "red", "green")
SLICING = Slicing(step=64, longest_gap_s=0.5, lateness_s=2.0, ahead_s=60.0)
CAMERA = Source("camera", ("red", "green"), 0.1)


def picture(behind_ns: int, number: int = 0, stream: str = "") -> Readings:
    values_NC = noise(number, 1, 40, 1).astype(np.float32)
    return Readings("camera", str(behind_ns), np.array([T0 + behind_ns]), values_NC, True, stream)


def frames(source: Source = CAMERA) -> Frames:
    return Frames(TASK, [source], SLICING)


def made(one: Frames, *batch: Readings) -> list[Window]:
    taken = one.add(batch, NOW)
    assert not taken.late_M.any()
    assert not taken.ahead_M.any()
    return one.closed()


def test_each_picture_is_a_window_at_once_in_the_order_of_the_tasks_channels() -> None:
    one, sent = frames(), [picture(n * 7, n) for n in (3, 0, 1, 2)]
    found = [*made(one, *sent[:1]), *made(one, *sent[1:])]
    for window, message in zip(found, sent, strict=True):
        assert window.start_ns == message.times_N[0]
        assert (window.values_TC == message.values_NC.reshape(2, 4, 5)).all()
    assert one.finish() == []
    swapped = made(frames(Source("camera", ("green", "red"), None)), sent[0])
    assert (swapped[0].values_TC == found[0].values_TC[::-1]).all()


def test_of_two_pictures_of_one_time_the_first_counts_and_the_other_is_told() -> None:
    one = frames()
    (window,) = made(one, picture(5, 1), picture(5, 2))
    assert (window.values_TC == picture(5, 1).values_NC.reshape(2, 4, 5)).all()
    assert one.take_merged() == {"camera": 1}
    assert one.take_merged() == {}


def test_a_picture_is_late_or_ahead_as_a_reading_is() -> None:
    one = frames()
    batch = [
        picture(10 * SECOND),
        picture(8 * SECOND),
        picture(8 * SECOND - 1),
        picture(700 * SECOND),
        replace(picture(9 * SECOND), sensor="another"),
        replace(picture(9 * SECOND), values_NC=np.zeros((1, 39), np.float32)),
    ]
    taken = one.add(batch, NOW)
    assert taken.late_M.tolist() == [0, 0, 1, 0, 1, 1]
    assert taken.ahead_M.tolist() == [0, 0, 0, 1, 0, 0]
    assert len(one.closed()) == 2
    assert one.needed_from_ns == T0 + 10 * SECOND + 1


def test_what_is_known_of_pictures_is_bounded() -> None:
    one = frames()
    for second in range(100):
        made(one, picture(second * SECOND))
    assert len(one._known) == len(one._times) == 3


def test_streams_of_cameras_do_not_mix() -> None:
    one = Streams(TASK, [CAMERA], SLICING, 5, {}, lambda _: None)
    one.add([picture(0, 1, "door"), picture(0, 2, "yard")], NOW)
    assert [window.stream for window in one.closed()] == ["door", "yard"]


@pytest.mark.parametrize(
    "sources",
    [
        [Source("a", ("red",), None), Source("b", ("green",), None)],
        [Source("a", ("red", "green"), None, None, (5.0, 5.0))],
    ],
)
def test_a_task_of_pictures_has_one_sensor_that_sends_them_whole(sources: list[Source]) -> None:
    with pytest.raises(InvalidConfiguration, match="needs one sensor"):
        Frames(TASK, sources, SLICING)


def test_a_picture_is_of_an_instant_and_one_window() -> None:
    assert Grid(TASK, SLICING).length_ns == 1
    assert windows_per_reading(TASK, SLICING) == 1
    split = split_of(TASK, SLICING, HeldOut(piece_s=60, every=5))
    assert (split.back_ns, split.ahead_ns) == (0, 0)


def test_a_picture_has_the_label_of_the_interval_that_it_lies_in(tmp_path: Any) -> None:
    store = WindowStore(open_store(tmp_path / "site.sqlite"), TASK, SLICING, 0.9)
    store.annotate(
        [Annotation("a", T0, T0 + 10, "dark"), Annotation("b", T0 + 10, T0 + 20, "light")]
    )
    store.add(made(frames(), *(picture(behind) for behind in (0, 9, 10, 19, 20))))
    found = store.connection.execute("SELECT label FROM windows ORDER BY start_ns").fetchall()
    assert found == [(0,), (0,), (1,), (1,), (None,)]
    again = store.unpredicted(10)
    assert [window.values_TC.shape for window in again] == [(2, 4, 5)] * 5
