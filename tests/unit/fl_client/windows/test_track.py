"""Readings of one instant: what is merged, and what is counted."""

import numpy as np
import pytest

from fl_client.sensors import Readings
from fl_client.windows import SECOND
from fl_client.windows.track import Track
from tests.support import windowing as toy

NAN = np.nan


def merged(*batches: list[tuple[int, float, float]]) -> tuple[list[int], int]:
    """The stamps that are left, and how many readings were counted as merged."""
    track, counted = Track(2), 0
    for batch in batches:
        times_N = np.array([time for time, *_ in batch], np.int64)
        track.add(times_N, np.array([values for _, *values in batch]))
        left = track.times_N.tolist()
        counted, track.merged = counted + track.merged, 0
    return left, counted


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("readings", "gave_way"),
    [
        ([(1, 1.0, 2.0), (2, 1.0, 2.0), (3, 1.0, 2.0)], 0),
        ([(1, 1.0, 2.0), (1, 1.0, 2.0)], 0),
        ([(1, 1.0, NAN), (1, NAN, 2.0)], 0),
        ([(1, 1.0, 2.0), (1, 3.0, 2.0)], 1),
        ([(1, 1.0, 2.0), (1, NAN, 3.0)], 1),
        ([(1, 4.0, 0.0), (1, 3.0, 0.0), (1, 2.0, 0.0), (1, 1.0, 0.0), (2, 1.0, 0.0)], 3),
    ],
    ids=["no two", "equal", "a channel each", "another value", "one differs", "4 Hz in seconds"],
)
def test_a_reading_whose_value_gives_way_is_counted(
    readings: list[tuple[int, float, float]], gave_way: int, together: bool
) -> None:
    batches = [readings] if together else [[one] for one in readings]
    assert merged(*batches) == (sorted({time for time, *_ in readings}), gave_way)


def test_a_stream_tells_once_which_sensor_s_readings_gave_way() -> None:
    made = toy.assembler()
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    times_N = toy.T0 + np.array([0, 0, 1, 1], np.int64) * SECOND
    made.add([Readings("acc", "1", times_N, values)], toy.NOW)
    made.closed()
    assert made.take_merged() == {"acc": 2}
    assert made.take_merged() == {}
