"""``fl-client replay``: run a recording through a node's pipeline, as fast as possible."""

import argparse
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from fl_client.clock.guard import Instant
from fl_client.components.shape import copy_served
from fl_client.configuration import read_config
from fl_client.inference.events import measures_of
from fl_client.node.assembly.declared import build_declared
from fl_client.node.assembly.node import NodeAssembly, build_node
from fl_client.node.recording import RecordedReadings
from fl_client.node.replay_lines import ReplayLines, written
from fl_client.store.outbox import PublishProgress
from fl_client.store.spool_identities import Arrival
from fl_client.windows.truths import truths_of
from fl_common.plugins.build import build

_WAIT_S = 0.1
_LEFT_WAITING = 1000
"""Windows that may wait for functions between two pieces of the recording."""


def replay(options: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        JoinTheDotsError: a configuration, a recording or a model that can't be used.
    """
    config = read_config(options.config, options.overrides)
    task = build(config["task"], at="task")
    declared = build_declared(config, task)
    truths = truths_of(task, declared.slicing)
    recording = RecordedReadings(options.file, task, declared.sensors, truths)
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="replay-")))
        copy_served(Path(config["home"]), home, config["windows"]["shape"])
        box = build_node({**config, "home": str(home)}, connected=False)
        stack.callback(box.inference.close)
        lines = ReplayLines(task, stack.enter_context(written(options.out)))
        played = _play(box, recording, lines)
    Console(highlight=False).print(_table(box, played))


@dataclass
class _Played:
    """The counts of a replay."""

    readings: int = 0
    windows: int = 0
    predictions: Counter[str] = field(default_factory=Counter)
    events: int = 0
    seconds: float = 0.0


def _play(box: NodeAssembly, recording: RecordedReadings, out: ReplayLines) -> _Played:
    played, began = _Played(), time.monotonic()
    bar = Progress(
        TextColumn("{task.fields[readings]:,} readings"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    if (updates := box.inference.updates) is not None and updates.shape is not None:
        updates.shape.rollout.resume()
    box.loop.upkeep.begin()
    with bar:
        line = bar.add_task("", total=recording.size, readings=0)
        now_ns = 0
        for piece in recording.pieces():
            now_ns = piece.now_ns
            arrivals = [Arrival(item) for item in piece.items]
            _step(box, arrivals, now_ns, played, out)
            played.readings += piece.rows
            bar.update(line, completed=piece.bytes_read, readings=played.readings)
            _catch_up(box, now_ns, played, out, _LEFT_WAITING)
        _catch_up(box, now_ns, played, out, 0)
    played.seconds = time.monotonic() - began
    return played


def _catch_up(box: NodeAssembly, now_ns: int, played: _Played, out: ReplayLines, most: int) -> None:
    """Go on until so few windows wait for shape and functions, and no message waits."""
    while box.loop.pipeline.behind or _waiting(box) > most:
        if box.inference.shapes is not None:
            box.inference.shapes.thread.wait(_WAIT_S)
        box.inference.functions.thread.wait(_WAIT_S)
        _step(box, [], now_ns, played, out)


def _waiting(box: NodeAssembly) -> int:
    counts = box.loop.pipeline.counts()
    return counts.functions.waiting + (counts.shape.waiting if counts.shape else 0)


def _step(
    box: NodeAssembly,
    arrivals: list[Arrival],
    now_ns: int,
    played: _Played,
    out: ReplayLines,
) -> None:
    """One call of the pipeline."""
    done = box.loop.pipeline.advance(arrivals, PublishProgress(), Instant(now_ns, now_ns))
    played.windows += done.windows
    are_shown = bool(box.inference.functions.running.named_in("prediction"))
    for answer in done.answers:
        played.predictions[answer.counted_as] += 1
        if not are_shown:
            out.prediction(answer.predicted)
    for shown in done.shown:  # in the order of their predictions
        out.shown(shown)
        played.events += len(shown.found)


def _table(box: NodeAssembly, played: _Played) -> Table:
    spool, windows, *_ = box.loop.pipeline.counts()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    speed = played.readings / max(played.seconds, 1e-9)
    table.add_row("readings", f"{played.readings:,} ({speed:,.0f} a second)")
    lost = sum(spool.lost.values())
    table.add_row(
        "messages",
        f"{spool.received:,} received = {spool.processed:,} processed + {spool.waiting:,} waiting"
        f" + {lost:,} lost",
    )
    told = f"{played.windows:,}, of which {windows.labelled:,} labelled"
    table.add_row("windows", told if played.windows else _no_window(box))
    labels = ", ".join(f"{label} {count:,}" for label, count in played.predictions.most_common())
    table.add_row("predictions", labels or "none")
    if judged := windows.agreement.judged:
        share = windows.agreement.agreeing / judged
        agree = f"{share:.1%} of {judged:,} labelled windows agree"
        more = measures_of(box.task, windows.agreement.measures)
        table.add_row("labels", "; ".join([agree, *more]))
    table.add_row("events", f"{played.events:,}")
    return table


def _no_window(box: NodeAssembly) -> str:
    task, rate_hz = box.task, box.task.rate_hz or 1.0
    return (
        f"none: one takes {task.window_shape[0] / rate_hz:g} s of readings of every channel, about"
        f" {rate_hz:g} a second, without a gap"
    )
