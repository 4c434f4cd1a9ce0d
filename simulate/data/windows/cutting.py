"""Recordings through the assembler of a box: the windows that a box would make of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Annotation, Readings
from fl_client.windows import Slicing, Source, Window
from fl_client.windows.grid import Grid
from fl_client.windows.labels import NO_LABEL, labels_of
from fl_client.windows.slide import Assembler
from fl_common.vocabulary import Floats, Integers, Task
from models.kinds import SEQUENCE, Truth, kind_of
from simulate.data.windows.intervals import unknown_in
from simulate.data.windows.recordings import Recording

_AT_ONCE = 4096
"""Readings of one message, so that few are kept at a time."""
_SOURCE = "recording"


@dataclass
class Cut:
    """The windows of all recordings, in order, and what was left out, by its reason."""

    values: list[Floats] = field(default_factory=list)
    labels: list[Integers] = field(default_factory=list)
    sites: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def arrays(self, task: Task) -> dict[str, NDArray[np.generic]]:
        """The columns of an npz file for ``task=arrays``."""
        lengths = [len(labels) for labels in self.labels]
        columns: dict[str, NDArray[np.generic]] = {
            "x": np.concatenate([np.empty((0, *task.window_shape), np.float32), *self.values]),
            "site": np.repeat(np.array(self.sites), lengths),
        }
        if needs_labels(task):
            one = task.window_shape[:1] if task.kind.name == SEQUENCE else ()
            labels_N = np.concatenate([np.empty((0, *one), np.int64), *self.labels])
            columns["y"] = labels_N if one else np.array(task.labels)[labels_N]
        if any(self.splits):
            columns["split"] = np.repeat([split or "train" for split in self.splits], lengths)
        return columns


def needs_labels(task: Task) -> bool:
    """Whether a window without a label is for nothing."""
    return kind_of(task).truth is not Truth.AHEAD


def with_horizon(task: Task) -> Task:
    """``task`` with windows that have the readings to be told at their end."""
    if not (ahead := kind_of(task).ahead):
        return task
    length, channels = task.window_shape
    return replace(task, window_shape=(length + ahead, channels))


def cut(
    recordings: Iterable[Recording],
    intervals: dict[str, list[Annotation]],
    task: Task,
    slicing: Slicing,
    share: float,
) -> Cut:
    """Cut ``recordings`` with their own labels, and those of ``intervals`` by site ("": of all).

    A window has a label that covers ``share`` of it, if the task has labels.

    Raises:
        InvalidConfiguration: a task without a time axis, or a gap shorter than its period.
    """
    found, grid = Cut(), Grid(task, slicing)
    for recording in recordings:
        windows, incomplete = _windows(recording, task, slicing)
        found.left_out["a gap, or an end"] += incomplete
        given = intervals.get(recording.site, intervals.get("", []))
        annotations = [*recording.annotations, *given]
        found.unknown += unknown_in(annotations, task.labels)
        starts_N = np.array([window.start_ns for window in windows], np.int64)
        labels_N = _labels_of(starts_N, grid, annotations, task, share)
        has_all_N = (labels_N != NO_LABEL).reshape(len(labels_N), -1).all(axis=1)
        kept_N = has_all_N | (not needs_labels(task))
        found.left_out["no label of the task"] += int((~kept_N).sum())
        if kept_N.any():
            kept = [window.values_TC for window, keep in zip(windows, kept_N, strict=True) if keep]
            found.values.append(np.stack(kept))
            found.labels.append(labels_N[kept_N])
            found.sites.append(recording.site)
            found.splits.append(recording.split)
    return found


def _labels_of(
    starts_N: Integers, grid: Grid, annotations: Sequence[Annotation], task: Task, share: float
) -> Integers:
    """The label of each window (N,), or of each of its readings (N, T)."""
    if task.kind.name != SEQUENCE:
        return labels_of(starts_N, grid.length_ns, annotations, task.labels, share)
    length = task.window_shape[0]
    offsets_T = np.arange(length) * grid.length_ns // length
    times_N = (starts_N[:, None] + offsets_T).ravel()
    period_ns = grid.length_ns // length
    found_N = labels_of(times_N, period_ns, annotations, task.labels, share)
    return found_N.reshape(-1, length)


def source_of(task: Task) -> Source:
    """All channels of ``task`` as one sensor's."""
    return Source(_SOURCE, task.channels, task.rate_hz)


def _windows(recording: Recording, task: Task, slicing: Slicing) -> tuple[Sequence[Window], int]:
    """The windows by their starts, and how many have readings but are not whole."""
    assembler, windows = Assembler(task, [source_of(task)], slicing), list[Window]()
    for first in range(0, len(recording.times_N), _AT_ONCE):
        times_N = recording.times_N[first : first + _AT_ONCE]
        values_NC = recording.values_NC[first : first + _AT_ONCE]
        message = Readings(_SOURCE, str(first), times_N, values_NC)
        assembler.add([message], int(times_N[-1]))
        windows += assembler.closed()
    windows += assembler.finish()
    return sorted(windows, key=lambda window: window.start_ns), assembler.incomplete
