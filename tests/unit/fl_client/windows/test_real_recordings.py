"""Real recordings, replayed as readings, give the windows that the worlds cut from the arrays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fl_client.sensors import Readings
from fl_client.windows import SECOND, Slicing, Source, Window
from fl_client.windows.slide import Assembler
from fl_common.vocabulary import Floats, Task
from models import tasks
from simulate.world import wearables
from simulate.world.wearables import Wearables

SLICING = Slicing(step=64, longest_gap_s=0.1, lateness_s=2.0, ahead_s=86_400.0)
PERIOD = SECOND // 50
STEP = 64 * PERIOD
BEGIN = 1_400_000_000 * STEP // (64 * PERIOD) * (64 * PERIOD)


def replayed(task: Task, readings_NC: Floats, begin_ns: int, rows: int) -> list[Window]:
    """Windows of the readings, sent in messages of ``rows`` by a sensor for each three channels."""
    parts = [range(first, first + 3) for first in range(0, len(task.channels), 3)]
    sources = [Source(str(p[0]), tuple(task.channels[c] for c in p), 50.0) for p in parts]
    assembler, windows = Assembler(task, sources, SLICING), []
    times_N = begin_ns + np.arange(len(readings_NC)) * PERIOD
    for low in range(0, len(readings_NC), rows):
        some = slice(low, low + rows)
        batch = [
            Readings(str(p[0]), str(low), times_N[some], readings_NC[some, p[0] : p[-1] + 1])
            for p in parts
        ]
        taken = assembler.add(batch, int(times_N[-1]))
        assert not taken.late_M.any()
        windows += assembler.closed()
    return windows


def values(windows: Sequence[Window]) -> Floats:
    return np.stack([window.values_TC for window in windows])


@pytest.mark.parametrize("rows", [7, 50])
def test_wearables_recordings_give_the_windows_of_the_world(rows: int) -> None:
    world = Wearables(root=None, sites=1)
    training, task = world.windows(0), tasks.wearables()
    recordings = {r.name: r for r in wearables._read(wearables._find(None)) if r.person == 1}
    assert set(training.blocks) == set(recordings)
    for block, name in enumerate(training.blocks[:4]):
        expected = training.values[training.block_of == block]
        readings_NC = recordings[name].readings_TC.astype(np.float32)
        windows = replayed(task, readings_NC, BEGIN, rows)
        assert [w.start_ns for w in windows] == [BEGIN + k * STEP for k in range(len(windows))]
        assert len(windows) == (len(readings_NC) - 128) // 64 + 1
        assert values(windows)[: len(expected)].tobytes() == expected.tobytes()


def test_uci_windows_of_one_recording_come_back(shared_data: Path) -> None:
    """Consecutive windows overlap by half: their first halves, one after the other, are it."""
    with np.load(shared_data / "ucihar.npz") as data:
        key = next(k for k in data.files if data[k].ndim == 3 and data[k].shape[1:] == (128, 9))
        published_NTC = data[key][:40].astype(np.float32)
    joined_N = (published_NTC[:-1, 64:] == published_NTC[1:, :64]).all(axis=(1, 2))
    count = 1 + int(np.argmin(joined_N)) if not joined_N.all() else 40
    assert count >= 10
    readings_NC = np.concatenate([*published_NTC[:count, :64], published_NTC[count - 1, 64:]])
    windows = replayed(tasks.activity(), readings_NC, BEGIN, 25)
    assert values(windows).tobytes() == published_NTC[:count].tobytes()


def test_a_clock_off_the_grid_moves_no_window_and_keeps_slow_signals() -> None:
    """A sine of 2 Hz, measured between the grid's times, stays itself within 1 %."""
    task = tasks.wearables()
    behind_N = np.arange(500) * PERIOD + 9_000_000
    sine_N = np.sin(2 * np.pi * 2 * behind_N / SECOND).astype(np.float32)
    readings_NC = np.repeat(sine_N[:, None], 6, axis=1)
    windows = replayed(task, readings_NC, BEGIN + 9_000_000, 10)
    assert [w.start_ns for w in windows] == [BEGIN + k * STEP for k in range(1, len(windows) + 1)]
    for window in windows:
        seconds_T = (window.start_ns - BEGIN) / SECOND + np.arange(128) / 50
        expected_T = np.sin(2 * np.pi * 2 * seconds_T)
        assert np.abs(window.values_TC[:, 0] - expected_T).max() < 0.01
