"""Held-out windows as the recordings they were cut from, played message by message.

A recording begins at a start of the nodes' windows and its timestamps lie on their rows, so the
nodes cut exactly the held-out windows, and predictions can be compared window by window.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from fl_client.windows import Slicing
from fl_client.windows.grid import Grid
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build
from fl_common.vocabulary import Floats, Task, Windows
from models.kinds import CLASSIFICATION
from simulate.world import TestSet

SHIPPED = str(files("conf") / "node.yaml")
"""The base of the nodes' configurations."""


@dataclass(frozen=True)
class Recording:
    """``readings_NC`` (N, C) in the task's units, one after the other, at one label.

    ``label`` is empty where people don't label windows. ``truths`` are what each of its windows is
    labelled with, in the form of the task's kind.
    """

    label: str
    readings_NC: Floats
    truths: Sequence[NDArray[Any]] = ()


@dataclass(frozen=True)
class Message:
    """A message that a player sends ``due_s`` seconds of recorded time after its start.

    ``until_ns`` is the timestamp that it ends with: its last reading's, or its label's end. It has
    ``rows`` readings, or a label's interval where that is 0. ``closes`` are the starts of the
    windows whose last reading is among them, and ``truths`` those of these windows.
    """

    due_s: float
    until_ns: int
    payload: bytes
    rows: int
    closes: tuple[int, ...]
    label: str
    truths: Sequence[NDArray[Any]] = ()


def step_of(task: Task) -> int:
    """Rows from one held-out window to the next.

    Raises:
        InvalidConfiguration: the task's windows are not readings over time.
    """
    if task.rate_hz is None or len(task.window_shape) != 2:
        raise InvalidConfiguration(
            f"engine=live task={task.name}",
            "plays sensors, and this task has no readings over time",
            "Choose task=wearables, task=activity, or your own data with a rate",
        )
    return task.window_shape[0] // task.windows_per_reading


def slicing_of(task: Task) -> Slicing:
    """The slicing of a box with the shipped configuration, with the held-out windows' step."""
    shipped = OmegaConf.to_container(OmegaConf.load(SHIPPED))
    assert isinstance(shipped, dict)
    slicing: Slicing = build({**shipped["windows"], "step": step_of(task)})
    return slicing


def recordings_of(test: TestSet, group: int, task: Task) -> list[Recording]:
    """The recordings that the windows of ``group`` were cut from, in order."""
    windows = test.windows.take(test.group_of == group)
    step, found = step_of(task), list[list[int]]()
    for row in range(len(windows)):
        if not (row and _goes_on(windows, row, step, task)):
            found.append([])
        found[-1].append(row)
    return [_joined(windows, rows, step, task) for rows in found]


def _goes_on(windows: Windows, row: int, step: int, task: Task) -> bool:
    """Whether window ``row`` repeats the readings of the one before it, ``step`` rows later.

    A recording has one label, where windows have labels that are sent.
    """
    before, this = windows.values[row - 1], windows.values[row]
    one_label = task.kind.name != CLASSIFICATION or windows.labels[row - 1] == windows.labels[row]
    return bool(
        step < len(this)
        and windows.block_of[row - 1] == windows.block_of[row]
        and one_label
        and np.array_equal(before[step:], this[:-step])
    )


def _joined(windows: Windows, rows: Sequence[int], step: int, task: Task) -> Recording:
    first, *others = rows
    new = [windows.values[row][-step:] for row in others]
    is_labelled = task.kind.name == CLASSIFICATION
    label = task.labels[int(windows.labels[first])] if is_labelled else ""
    readings_NC = np.concatenate([windows.values[first], *new])
    return Recording(label, readings_NC, [windows.labels[row] for row in rows])


def messages(
    recordings: Sequence[Recording], task: Task, slicing: Slicing, most_rows: int, begin_ns: int
) -> Iterator[Message]:
    """An endless stream of the recordings as messages, stamped from about ``begin_ns`` on.

    ``most_rows`` readings are one message. Between two recordings is a gap too long for any window,
    and at the end of each its label is sent, if it has one.
    """
    grid, index, first_ns = Grid(task, slicing), 0, None
    for turn in count():
        recording = recordings[turn % len(recordings)]
        index = max(index, grid.index_at(begin_ns) + 1)
        base_ns = grid.start_of(index)
        first_ns = base_ns if first_ns is None else first_ns
        yield from _of_recording(recording, task, grid, slicing.step, index, first_ns, most_rows)
        end_ns = _stamp(base_ns, len(recording.readings_NC), task)
        index = grid.index_at(end_ns + slicing.gap_ns) + 1


def _of_recording(
    recording: Recording,
    task: Task,
    grid: Grid,
    step: int,
    index: int,
    first_ns: int,
    most_rows: int,
) -> Iterator[Message]:
    readings, base_ns = recording.readings_NC.tolist(), grid.start_of(index)
    stamps = [_stamp(base_ns, row, task) for row in range(len(readings) + 1)]
    for row in range(0, len(readings), most_rows):
        last = min(row + most_rows, len(readings))
        content = [{"t": stamps[n], "v": readings[n]} for n in range(row, last)]
        whole = [
            (end - grid.rows) // step
            for end in range(max(row + 1, grid.rows), last + 1)
            if (end - grid.rows) % step == 0
        ]
        closes = tuple(grid.start_of(index + place) for place in whole)
        truths = [recording.truths[place] for place in whole if recording.truths]
        until_ns = stamps[last - 1]
        due_s, payload = (until_ns - first_ns) / 1e9, json.dumps(content).encode()
        yield Message(due_s, until_ns, payload, last - row, closes, recording.label, truths)
    if not recording.label:
        return
    label = {"from": base_ns, "to": stamps[-1], "label": recording.label}
    due_s = (stamps[-1] - first_ns) / 1e9
    yield Message(due_s, stamps[-1], json.dumps(label).encode(), 0, (), recording.label)


def _stamp(base_ns: int, row: int, task: Task) -> int:
    assert task.rate_hz is not None
    return base_ns + round(row * 1e9 / task.rate_hz)
