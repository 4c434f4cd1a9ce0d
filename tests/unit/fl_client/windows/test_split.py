"""The day of one held-out window is the block that its labelled windows get."""

import numpy as np

from fl_client.windows import SECOND, Slicing
from fl_client.windows.split import DAY_NS, HeldOut, Labelled, split_of
from tests.support.samples import TASK

SLICING = Slicing(step=4, longest_gap_s=0.5, lateness_s=1.0, ahead_s=60.0)


def test_the_day_of_a_window_agrees_with_the_split_of_all() -> None:
    split = split_of(TASK, SLICING, HeldOut(piece_s=10, every=3))
    starts_N = np.arange(DAY_NS - 200 * SECOND, DAY_NS + 200 * SECOND, SECOND // 2)
    days = [split.held_out_day(int(start)) for start in starts_N]
    values_NTC = np.zeros((len(starts_N), *TASK.window_shape), np.float32)
    values_NTC[:, 0, 0] = np.arange(len(starts_N))
    labels_N = np.zeros(len(starts_N), np.int64)
    held_out = split.held_out_windows(Labelled(starts_N, values_NTC, labels_N))
    expected: list[str | None] = [None] * len(starts_N)
    for values_TC, block in zip(held_out.values, held_out.block_of, strict=True):
        expected[int(values_TC[0, 0])] = held_out.blocks[block]
    assert days == expected
    assert {"1970-01-01", "1970-01-02", None} == set(days)
