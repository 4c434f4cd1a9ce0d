"""The grid that windows are cut on: anchored at 1970, exact in whole nanoseconds.

Window k starts k steps after 1970, whatever was measured, so that neither a gap nor the order of
arrival can shift a window. Row i lies ``round(i / rate)`` after the start. A picture is of its own
instant: its grid has every nanosecond.
"""

import math
from fractions import Fraction

import numpy as np

from fl_client.windows import SECOND, Slicing
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Integers, Task
from models.kinds import kind_of

_FINEST_RATE = 10**6
"""Rates are approximated by fractions with a denominator of at most this."""


class Grid:
    """The grid of ``task`` under ``slicing``; where it has a shape, of windows as they are cut.

    Raises:
        InvalidConfiguration: the task's windows have no time axis.
    """

    def __init__(self, task: Task, slicing: Slicing) -> None:
        task = task.as_cut
        self.rows, period = _rows_of(task)
        step = period * (1 if task.is_of_pictures else slicing.step)
        self._step = step.numerator, step.denominator
        self.offsets_T: Integers = np.array([round(i * period) for i in range(self.rows)], np.int64)
        self.span_ns = int(self.offsets_T[-1])
        """From a window's first row to its last."""
        self.reach_ns = round((self.rows + kind_of(task).ahead - 1) * period)
        """From a window's first row to the last of all that it stands for."""
        self.length_ns = round(self.rows * period)
        """The time that a window stands for: its rows, each with one period."""
        self.step_ns = float(step)

    def start_of(self, index: int) -> int:
        """Start of window ``index``, nanoseconds since 1970."""
        numerator, denominator = self._step
        return index * numerator // denominator

    def index_at(self, time_ns: int) -> int:
        """The index of the last window that starts at or before ``time_ns``."""
        numerator, denominator = self._step
        return ((time_ns + 1) * denominator - 1) // numerator


def _rows_of(task: Task) -> tuple[int, Fraction]:
    """How many rows a window has, and the nanoseconds from one to the next."""
    if task.is_of_pictures:
        return 1, Fraction(1)
    if task.rate_hz is None or task.rate_hz <= 0 or len(task.window_shape) != 2:
        raise InvalidConfiguration(
            f"task {task.name} with windows {task.window_shape} at {task.rate_hz} Hz",
            "must have windows (time, channels) and a rate, to be cut from readings, or pictures"
            " (channels, height, width)",
            "Choose a task of sensors' readings",
        )
    return task.window_shape[0], SECOND / Fraction(task.rate_hz).limit_denominator(_FINEST_RATE)


def windows_per_reading(task: Task, slicing: Slicing) -> int:
    """The most windows that one reading can influence.

    A reading that is interpolated influences the rows up to the longest gap before and after it, at
    most ``2 * gap * rate`` rows (at least one); one that holds those up to its longest age after
    it, at most ``age * rate`` and one. A run of m rows is in at most (T + m - 1) / step windows,
    rounded up. All of them are of the reading's own stream. T are a window's rows and those after
    it that it stands for: a reading influences what a window is compared with as its values. A
    shape does not change it: it makes one window of one. A picture is one window.
    """
    task = task.as_cut
    if task.is_of_pictures:
        return 1
    assert task.rate_hz is not None
    reach = task.window_shape[0] + kind_of(task).ahead
    rows = max(1, math.ceil(2 * slicing.longest_gap_s * task.rate_hz - 1e-9))
    for _, age_s in slicing.held:
        rows = max(rows, math.floor(age_s * task.rate_hz + 1e-9) + 1)
    return math.ceil((reach + rows - 1) / slicing.step)
