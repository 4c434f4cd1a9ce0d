"""A small task of two sensors, and their readings, for tests of windows."""

from collections.abc import Iterable, Sequence

import numpy as np

from fl_client.sensors import Readings
from fl_client.windows import SECOND, Slicing, Source, Window
from fl_client.windows.slide import Assembler
from fl_common.vocabulary import Task

TASK = Task(
    name="toy",
    channels=("x", "y", "turn"),
    units=("g", "g", "rad/s"),
    rate_hz=50.0,
    window_shape=(8, 3),
    labels=("still", "moving", "falling"),
    center=(0.0,) * 3,
    scale=(1.0,) * 3,
    windows_per_reading=2,
)
SLICING = Slicing(step=4, longest_gap_s=0.1, lateness_s=1.0, ahead_s=3600.0)
SOURCES = (Source("acc", ("x", "y"), 50.0), Source("gyro", ("turn",), 100.0))
UNDECLARED = (Source("acc", ("x", "y"), None), Source("gyro", ("turn",), None))
PERIOD = SECOND // 50
T0 = 1_790_000_000 * SECOND
NOW = T0 + 600 * SECOND

Drawn = tuple[str, int, float]
"""One reading: the sensor, its time in nanoseconds after ``T0``, and a number for its values."""
Contents = set[tuple[int, bytes]]


def assembler(sources: Sequence[Source] = SOURCES, slicing: Slicing = SLICING) -> Assembler:
    """A new assembler of the toy task."""
    return Assembler(TASK, sources, slicing)


def message(sensor: str, behind_N: Sequence[int], numbers_N: Sequence[float]) -> Readings:
    """One message of readings; the first column holds the numbers, a second one other numbers."""
    times_N = T0 + np.array(behind_N, np.int64)
    columns = [np.array(numbers_N, np.float32)]
    if sensor == "acc":
        columns.append(columns[0] * 2 + 1)
    return Readings(sensor, str(behind_N[0]), times_N, np.stack(columns, axis=1))


def of(readings: Iterable[Drawn]) -> list[Readings]:
    """A message for each reading, in their order."""
    return [message(sensor, [behind], [number]) for sensor, behind, number in readings]


def contents(windows: Sequence[Window]) -> Contents:
    """What windows are, for comparison; fails where one start comes twice."""
    found = {(window.start_ns, window.values_TC.tobytes()) for window in windows}
    assert len({start for start, _ in found}) == len(windows)
    return found


def cut(made: Assembler, batches: Iterable[Sequence[Readings]]) -> Contents:
    """All windows of the batches, each followed by a look at what is closed."""
    windows = []
    for batch in batches:
        taken = made.add(batch, NOW)
        assert not taken.late_M.any()
        assert not taken.ahead_M.any()
        windows += made.closed()
    return contents(windows + made.finish())


def regular(seconds: float, phase_ns: int = 0, gap: tuple[float, float] = (0, 0)) -> list[Drawn]:
    """Readings of both sensors in order of time at their declared rates, but none in ``gap``."""
    readings = [
        (source.name, phase_ns + round(i * SECOND / source.rate_hz), float(np.sin(i) + i % 7))
        for source in SOURCES
        if source.rate_hz is not None
        for i in range(round(seconds * source.rate_hz))
    ]
    low, high = (round(end * SECOND) for end in gap)
    return sorted((r for r in readings if not low <= r[1] < high), key=lambda r: (r[1], r[0]))
