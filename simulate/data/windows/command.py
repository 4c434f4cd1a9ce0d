"""``fl-simulate windows RECORDINGS --task FILE``: windows to train on, as a box cuts them."""

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

import numpy as np
import rich.console
from rich.table import Table
from rich.text import Text

from fl_client.configuration import read_config
from fl_client.windows import Slicing
from fl_client.windows.grid import Grid
from fl_common.configuration.paths import from_home
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.whole import whole_file
from fl_common.plugins.build import build
from fl_common.programs.requirements import check_installed
from fl_common.vocabulary import Task
from models.kinds import kind_of
from simulate.data.windows.cutting import Cut, cut, with_horizon
from simulate.data.windows.intervals import read_intervals
from simulate.data.windows.recordings import Recording, recordings_in
from simulate.report.console import standard_output
from simulate.world.tables.opened import open_table, parts_of
from simulate.world.tables.suspects import STAMP_UNITS
from simulate.world.tables.task_file import read_task


def windows(words: Sequence[str]) -> int:
    """Run the command with the arguments ``words``; its exit status.

    Raises:
        InvalidConfiguration, InvalidData: what can't be used, before anything is written.
    """
    options = _parser().parse_intermixed_args(words)
    check_installed("fl-simulate windows", "simulation", ["pyarrow"])
    task = with_horizon(read_task(options.task))
    config = read_config(None, options.overrides)
    slicing: Slicing = build(config["windows"])
    if slicing.shape is not None:
        raise InvalidConfiguration(
            f"windows.shape={slicing.shape}",
            "can't be used here: windows are written as they are cut",
            "Leave it out, and give shape=FOLDER to the run that trains on them",
        )
    rate_hz = _rate_of(task, slicing)
    parts = parts_of(from_home(options.recordings))
    recordings = list(recordings_in(parts, task, options.unit, slicing.gap_ns))
    intervals = {}
    if options.labels is not None:
        own_unit = next((one.clock.unit for one in recordings if one.clock.unit), None)
        table = open_table(from_home(options.labels))
        intervals = read_intervals(table, rate_hz, options.unit, own_unit)
    found = cut(recordings, intervals, task, slicing, config["label_share"])
    if not found.values:
        raise InvalidData(options.recordings, *_no_window(found, task))
    with whole_file(options.out) as file:
        np.savez_compressed(file, **found.arrays(task))  # type: ignore[arg-type]
    _show(standard_output(), recordings, found, task, options)
    return 0


def _rate_of(task: Task, slicing: Slicing) -> float:
    """Readings per second of a task whose windows are cut from readings.

    Raises:
        InvalidConfiguration: it has none, or more windows share a reading than it declares.
    """
    Grid(task, slicing)
    assert task.rate_hz is not None
    shared = math.ceil(task.window_shape[0] / slicing.step)
    if shared > task.windows_per_reading:
        raise InvalidConfiguration(
            f"windows.step={slicing.step} of windows of {task.window_shape[0]} readings",
            f"makes each reading part of {shared} windows, and task {task.name} declares"
            f" windows_per_reading: {task.windows_per_reading}",
            f"Declare {shared}, or set windows.step={task.window_shape[0]}",
        )
    return task.rate_hz


def _no_window(found: Cut, task: Task) -> tuple[str, str]:
    seconds = task.window_shape[0] / (task.rate_hz or 1.0)
    left_out = ", ".join(f"{count} for {why}" for why, count in found.left_out.items() if count)
    if not kind_of(task).truth.needs_people:
        remedy = "Raise windows.longest_gap_s, or record for longer"
        return f"gives no window of {seconds:g} s ({left_out or 'too short'})", remedy
    unknown = f"; labels that the task lacks: {', '.join(found.unknown)}" if found.unknown else ""
    return (
        f"gives no window of {seconds:g} s with a label ({left_out or 'too short'}{unknown})",
        "Correct the labels or the task's, raise windows.longest_gap_s, or lower label_share",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fl-simulate windows", description=__doc__)
    parser.add_argument("recordings", help="CSV or Parquet, or a folder of such files")
    parser.add_argument("--task", required=True, help="the YAML file that declares the task")
    parser.add_argument("--labels", help="a file of intervals: from, to, label, and site")
    parser.add_argument("--unit", choices=tuple(STAMP_UNITS), help="of the times")
    parser.add_argument("--out", type=Path, default=Path("windows.npz"), help="windows.npz")
    parser.add_argument("overrides", nargs="*", help="of a box, such as windows.step=32")
    return parser


def _show(
    output: rich.console.Console,
    recordings: Sequence[Recording],
    found: Cut,
    task: Task,
    options: argparse.Namespace,
) -> None:
    task_labels = Counter[str]()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    readings = sum(len(recording.times_N) for recording in recordings)
    sites = {recording.site for recording in recordings}
    table.add_row(
        "recordings", f"{len(recordings):,} of {len(sites):,} sites, {readings:,} readings"
    )
    for clock in sorted({recording.clock.told for recording in recordings}):
        table.add_row("times", clock)
    for site, labels_N in zip(found.sites, found.labels, strict=True):
        task_labels[site] += len(labels_N)
    needs_people, length = kind_of(task).truth.needs_people, task.window_shape[0]
    told = " with a label" if needs_people else f" of {length} readings"
    table.add_row("windows", f"{task_labels.total():,}{told}, of {len(task_labels):,} sites")
    for why, count in found.left_out.items():
        if count:
            table.add_row("left out", f"{count:,} windows: {why}")
    for label, count in found.unknown.items():
        table.add_row(
            "left out", Text(f"label {label}, {count:,} times: the task does not have it")
        )
    output.print(table)
    output.print(Text("\nto train", style="bold"))
    words = [f"data.path={options.out}", f"data.task={options.task}"]
    command = " ".join(["python -m simulate task=arrays", *map(quote, words)])
    output.print(Text(command), soft_wrap=True)
