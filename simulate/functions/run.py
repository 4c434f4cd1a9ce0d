"""``fl-fn run``: recorded windows through a model and a function, and what comes of it."""

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.functions.events import Event
from simulate.functions.opened import Opened, open_folder
from simulate.functions.seen import Seen
from simulate.functions.showing import Called, called, events_for, time_of
from simulate.functions.trial import found, given, used
from simulate.functions.watching import changes
from simulate.functions.windows import held_out, stored_in

_MOST_SHOWN = 40
_MOST_LINES = 20


def run(options: argparse.Namespace) -> None:
    """Run the command; exits with 1 if a call failed, or with --watch after Ctrl-C.

    Raises:
        JoinTheDotsError: windows, a model or a function that can't be had.
    """
    output = Console(highlight=False, stderr=options.json)
    opened = None if options.watch else open_folder(options.folder, output)
    seen = _windows(options, output)
    if not seen.windows:
        output.print("no windows to show")
    if opened is not None:
        _end(_shown(opened, seen, output, options))
        return
    for _ in changes(options.folder):
        _once(options, seen, output)


def _once(options: argparse.Namespace, seen: Seen, output: Console) -> None:
    """Run the present text; say what is wrong with it, and wait for the next."""
    output.print(Text(f"{datetime.now(UTC):%H:%M:%S} {options.folder}", "bold"))
    try:
        opened = open_folder(options.folder, output)
        _shown(opened, seen, output, options)
    except (JoinTheDotsError, OSError) as error:
        output.print(Text(f"error: {error}", "red"), soft_wrap=True)
    output.print("waits for a change; Ctrl-C ends it", style="dim")


def _windows(options: argparse.Namespace, output: Console) -> Seen:
    if options.most < 0:
        rule = "must be 0 (all) or more"
        raise InvalidConfiguration(f"--most {options.most}", rule, "Give a number of windows")
    if options.home is not None:
        if others := [one for one in options.overrides if not one.startswith("home=")]:
            remedy = "Leave it out: the box has a configuration"
            raise InvalidConfiguration(others[0], "belongs to --task", remedy)
        if options.model is not None:
            raise InvalidConfiguration(
                "--model", "belongs to --task", "Leave it out: the box's is used"
            )
        return stored_in(options.home, options.last, options.most, time.time())
    if options.last is not None:
        raise InvalidConfiguration("--last", "belongs to --home", "Use --most with --task")
    return held_out(options.task, options.overrides, options.model, options.most, output)


def _shown(
    opened: Opened,
    seen: Seen,
    output: Console,
    options: argparse.Namespace,
) -> list[Called]:
    calls = called(opened, events_for(opened.kinds, seen.windows), seen.model)
    if options.json:
        _print_lines(calls)
    else:
        _print_events(calls, output)
    _print_log(calls, output)
    _print_cost(opened, calls, output)
    _print_elsewhere(opened, options.task, output)
    return calls


def _print_lines(calls: Sequence[Called]) -> None:
    for event, outcome in calls:
        for one in outcome.events:
            line = {"time_ns": time_of(event), "stream": event.stream, "kind": one.kind,
                    "data": one.data}  # fmt: skip
            sys.stdout.write(json.dumps(line) + "\n")


def _print_events(calls: Sequence[Called], output: Console) -> None:
    told = [(event, outcome) for event, outcome in calls if outcome.events or outcome.failure]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("time", "stream", "given"):
        table.add_column(heading, header_style="bold", no_wrap=True)
    table.add_column("found", header_style="bold", overflow="fold")
    for event, outcome in told[:_MOST_SHOWN]:
        style = "red" if outcome.failure else ""
        row = _when(event), event.stream or "-", given(event), found(outcome)
        table.add_row(*(Text(one, style) for one in row))
    if told:
        output.print(table)
    if len(told) > _MOST_SHOWN:
        output.print(f"and {len(told) - _MOST_SHOWN:,} more; --json has all events")


def _print_log(calls: Sequence[Called], output: Console) -> None:
    lines = [(_when(event), *line) for event, outcome in calls for line in outcome.lines]
    for when, level, text in lines[:_MOST_LINES]:
        output.print(Text(f"log  {when}  {level}: {text}", "dim"), soft_wrap=True)
    if len(lines) > _MOST_LINES:
        output.print(f"and {len(lines) - _MOST_LINES:,} more lines of log", style="dim")


def _print_cost(opened: Opened, calls: Sequence[Called], output: Console) -> None:
    outcomes = [outcome for _, outcome in calls]
    events = Counter(event.kind for outcome in outcomes for event in outcome.events)
    failed = sum(outcome.failure is not None for outcome in outcomes)
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in events.most_common()) or "none"
    output.print(Text(f"{'calls':<11}{len(calls):,}, of which {failed:,} failed"))
    output.print(Text(f"{'found':<11}{kinds}"))
    if not outcomes:
        return
    seconds = [1000 * outcome.seconds for outcome in outcomes]
    output.print(f"{'ms':<11}{statistics.median(seconds):.2f} in the median of the calls")
    if opened.limits is not None:
        for line in used(opened.limits, outcomes):
            output.print(line)


def _print_elsewhere(opened: Opened, task: str | None, output: Console) -> None:
    """Say so if a box of ``task`` would not show it these windows, as it asks for another's."""
    if task is not None and opened.tasks and not opened.tasks & {task, "*"}:
        asked = ", ".join(sorted(opened.tasks))
        words = f"a box of {task} shows it none of these: `on` in function.json names {asked}"
        output.print(Text(f"{'note':<11}{words}"), soft_wrap=True)


def _end(calls: Sequence[Called]) -> None:
    if any(outcome.failure is not None for _, outcome in calls):
        sys.exit(JoinTheDotsError.exit_status)


def _when(event: Event) -> str:
    """The time of day, and the day where it is one of a real clock."""
    when = datetime.fromtimestamp(time_of(event) / 1e9, UTC)
    form = "%Y-%m-%d %H:%M:%S.%f" if when.year > 1970 else "%H:%M:%S.%f"
    return when.strftime(form)[:-4]
