"""Recordings through the assembler of a box: the windows that a box would make of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Annotation, Readings
from fl_client.windows import Slicing, Source, Window
from fl_client.windows.slide import Assembler
from fl_client.windows.split import Labelled
from fl_client.windows.truths import truths_of
from fl_client.windows.truths.kept import Kept
from fl_common.vocabulary import Floats, Task
from models.kinds import Truth, kind_of
from models.kinds.multilabel import BETWEEN, has_of
from simulate.data.windows.recordings import Recording

_AT_ONCE = 4096
"""Readings of one message, so that few are kept at a time."""
_SOURCE = "recording"


@dataclass
class Cut:
    """The windows of all recordings, in order, and what was left out, by its reason."""

    values: list[Floats] = field(default_factory=list)
    labels: list[NDArray[Any]] = field(default_factory=list)
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
        if kind_of(task).truth is not Truth.AHEAD:
            columns["y"] = _written(np.concatenate(self.labels), task)
        if any(self.splits):
            columns["split"] = np.repeat([split or "train" for split in self.splits], lengths)
        return columns


def _written(labels_N: NDArray[Any], task: Task) -> NDArray[np.generic]:
    """What windows stand for, as tables have it: names, or several with semicolons between."""
    truth, names = kind_of(task).truth, kind_of(task).columns
    if truth is Truth.SET:
        has_NK = has_of(labels_N, len(names)).tolist()
        return np.array([BETWEEN.join(compress(names, has_K)) for has_K in has_NK])
    return np.array(task.labels)[labels_N] if truth is Truth.LABEL else labels_N


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

    What a window stands for is found as on a box; of one that needs a label, ``share`` of it.

    Raises:
        InvalidConfiguration: a task without a time axis, or a gap shorter than its period.
    """
    found, truths = Cut(), truths_of(task, slicing)
    for recording in recordings:
        windows, incomplete = _windows(recording, task, slicing)
        found.left_out["a gap, or an end"] += incomplete
        given = intervals.get(recording.site, intervals.get("", []))
        annotations = [*recording.annotations, *given]
        found.unknown += Counter(a.label for a in annotations if truths.why_unused(a.label))
        known = _known(windows, annotations, task, slicing, share)
        reason = _NO_LABEL if kind_of(task).truth.needs_people else _IN_PART
        found.left_out[reason] += len(windows) - len(known.starts_N)
        if len(known.starts_N):
            found.values.append(known.values_NTC)
            found.labels.append(known.labels_N)
            found.sites.append(recording.site)
            found.splits.append(recording.split)
    return found


_NO_LABEL, _IN_PART = "no label of the task", "an anomaly covers a part of it"


def _known(
    windows: Sequence[Window],
    annotations: Sequence[Annotation],
    task: Task,
    slicing: Slicing,
    share: float,
) -> Labelled:
    """The windows of which it is known what they stand for; of a forecast they have it in them."""
    starts_N = np.array([window.start_ns for window in windows], np.int64)
    values_NTC = np.array([window.values_TC for window in windows], np.float32)
    values_NTC = values_NTC.reshape(len(windows), *task.window_shape)
    if kind_of(task).truth is Truth.AHEAD:
        return Labelled(starts_N, values_NTC, np.zeros(len(windows), np.int64))
    truths = truths_of(task, slicing)
    told = truths.told(starts_N, annotations, share)
    needs_people = kind_of(task).truth.needs_people
    has_N = np.array([one is not None or not needs_people for one in told], np.bool_)
    kept = [one for one, has in zip(told, has_N.tolist(), strict=True) if has]
    return truths.known(Kept(starts_N[has_N], values_NTC[has_N], ("",) * len(kept), tuple(kept)))


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
