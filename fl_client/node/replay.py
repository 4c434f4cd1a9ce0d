"""``fl-client replay``: run a recording through a node's pipeline, as fast as possible."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from fl_client.clock.guard import Instant
from fl_client.configuration import read_config
from fl_client.inference.events import measures_of, told_of
from fl_client.inference.place import copy_model
from fl_client.node.assembly.declared import build_declared
from fl_client.node.assembly.node import NodeAssembly, build_node
from fl_client.node.recording import RecordedReadings
from fl_client.store.outbox import PublishProgress
from fl_client.store.spool_identities import Arrival
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import whole_file
from fl_common.plugins.build import build


def replay(options: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        JoinTheDotsError: a configuration, a recording or a model that can't be used.
    """
    config = read_config(options.config, options.overrides)
    task = build(config["task"], at="task")
    recording = RecordedReadings(options.file, task, build_declared(config, task).sensors)
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="replay-")))
        copy_model(Path(config["home"]), home)
        box = build_node({**config, "home": str(home)}, connected=False)
        out = stack.enter_context(_written(options.out)) if options.out else None
        played = _play(box, recording, out)
    Console(highlight=False).print(_table(box, played))


@dataclass
class _Played:
    """The counts of a replay."""

    readings: int = 0
    windows: int = 0
    predictions: Counter[str] = field(default_factory=Counter)
    events: int = 0
    seconds: float = 0.0


def _play(box: NodeAssembly, recording: RecordedReadings, out: BinaryIO | None) -> _Played:
    played, began = _Played(), time.monotonic()
    bar = Progress(
        TextColumn("{task.fields[readings]:,} readings"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
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
        while box.loop.pipeline.behind:
            _step(box, [], now_ns, played, out)
    played.seconds = time.monotonic() - began
    return played


def _step(
    box: NodeAssembly,
    arrivals: list[Arrival],
    now_ns: int,
    played: _Played,
    out: BinaryIO | None,
) -> None:
    """One call of the pipeline."""
    done = box.loop.pipeline.advance(arrivals, PublishProgress(), Instant(now_ns, now_ns))
    played.windows += done.windows
    for answer, events in zip(done.answers, done.events, strict=True):
        predicted = answer.predicted
        played.predictions[answer.counted_as] += 1
        named = {"stream": predicted.stream} if predicted.stream else {}
        _write(out, {**named, "start_ns": predicted.start_ns, **told_of(box.task, predicted)})
        for name, event in events:
            played.events += 1
            _write(out, {"function": name, **named, "kind": event.kind, **event.data})


def _write(out: BinaryIO | None, line: dict[str, Any]) -> None:
    if out is not None:
        out.write(f"{json.dumps(line)}\n".encode())


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A file that appears at ``path`` when the block ends without an error."""
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise InvalidConfiguration(
            f"--out={path}", f"can't be written ({error.strerror})", "Give another file"
        ) from error


def _table(box: NodeAssembly, played: _Played) -> Table:
    spool, windows = box.loop.pipeline.counts()
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
