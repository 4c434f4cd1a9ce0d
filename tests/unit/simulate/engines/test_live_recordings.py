"""Held-out windows become the recordings they were cut from, and messages that rebuild them."""

import itertools
import json

import numpy as np
import pytest

from fl_client.sensors import Readings
from fl_client.windows import Slicing, Source, Window
from fl_client.windows.slide import Assembler
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Windows
from models import tasks
from simulate.engines.live.recordings import Recording, messages, recordings_of, step_of
from simulate.world import TestSet

TASK = tasks.wearables()
SLICING = Slicing(step=64, longest_gap_s=0.5, lateness_s=2.0, ahead_s=60.0)
BEGIN = 1_700_000_000 * 10**9


def recording(rows: int, seed: int, label: str = "PEN") -> Recording:
    return Recording(label, np.random.default_rng(seed).random((rows, 6), np.float32))


def held_out(recordings: list[Recording]) -> TestSet:
    """The windows of the recordings, each a block of its own."""
    cut = [
        (block, TASK.labels.index(r.label), r.readings_NC[row : row + 128])
        for block, r in enumerate(recordings)
        for row in range(0, len(r.readings_NC) - 127, 64)
    ]
    blocks, labels, values = zip(*cut, strict=True)
    names = tuple(map(str, range(len(recordings))))
    windows = Windows(np.stack(values), np.array(labels), np.array(blocks), names)
    return TestSet(windows, np.zeros(len(cut), np.int64), ("one",))


def test_windows_are_joined_to_their_recordings() -> None:
    given = [recording(320, 1), recording(128, 2), recording(192, 3, "ROW")]
    found = recordings_of(held_out(given), 0, TASK)
    assert [r.label for r in found] == ["PEN", "PEN", "ROW"]
    for ours, theirs in zip(found, given, strict=True):
        np.testing.assert_array_equal(ours.readings_NC, theirs.readings_NC)


@pytest.mark.parametrize("most_rows", [1, 16, 50, 1000])
def test_a_node_cuts_the_held_out_windows_from_the_messages(most_rows: int) -> None:
    given = [recording(320, 1), recording(192, 2, "ROW")]
    expected = held_out(given).windows
    assembler = Assembler(TASK, [Source("player", TASK.channels, 50.0)], SLICING)
    cut, due = list[Window](), list[float]()
    stream = messages(given, TASK, SLICING, most_rows, BEGIN)
    wanted = len(expected)
    for message in stream:
        due.append(message.due_s)
        content = json.loads(message.payload)
        if not message.rows:
            assert content["label"] == message.label
            if len(cut) == wanted:
                break
            continue
        assert message.rows == len(content) <= most_rows
        times_N = np.array([one["t"] for one in content])
        values_NC = np.array([one["v"] for one in content], np.float32)
        assembler.add([Readings("player", "id", times_N, values_NC)], int(times_N[-1]))
        windows = assembler.closed()
        assert tuple(window.start_ns for window in windows) == message.closes
        cut += windows
    assert due == sorted(due)
    assert min(window.start_ns for window in cut) >= BEGIN
    np.testing.assert_array_equal(np.stack([w.values_TC for w in cut]), expected.values)


def test_recordings_are_played_again_at_later_times() -> None:
    stream = messages([recording(128, 1)], TASK, SLICING, 128, BEGIN)
    starts = [start for m in itertools.islice(stream, 8) for start in m.closes]
    assert len(starts) == 4
    assert all(b - a > 128 * 20_000_000 for a, b in itertools.pairwise(starts))


def test_a_task_without_time_can_not_be_played() -> None:
    with pytest.raises(InvalidConfiguration, match="no readings over time"):
        step_of(tasks.digits())
