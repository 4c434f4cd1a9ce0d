"""Functions that a run's report shows on the test windows: ``report.functions``."""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from fl_common.configuration.paths import from_home
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task
from simulate.functions.opened import Opened, open_folder
from simulate.functions.seen import Seen, of_test, step_of
from simulate.functions.showing import Called, called, events_for, time_of
from simulate.world import TestSet

_MOST_KEPT = 100


def shown_by(config: Config) -> Sequence[str]:
    """The folders that a configuration names; none in that of a version without them."""
    folders: Sequence[str] = config.get("report", {}).get("functions", ())
    return folders


def check_functions(folders: Sequence[Any], task: Task) -> None:
    """Open each function once, before a run of ``task`` begins.

    Raises:
        InvalidConfiguration: no list of folders, or functions that ``task`` has nothing for.
        InvalidData: one can't be read or made.
    """
    if not isinstance(folders, list | tuple) or not all(isinstance(one, str) for one in folders):
        remedy = "Give such as report.functions=[functions/range]"
        raise InvalidConfiguration(
            f"report.functions={folders}", "must be a list of folders", remedy
        )
    if folders:
        step_of(task)
    for opened in _opened(folders):
        list(events_for(opened.kinds, ()))
        if opened.labels not in ((), task.labels):
            raise InvalidConfiguration(
                f"report.functions: {opened.name}",
                f"is for the labels {', '.join(opened.labels)[:200]}",
                f"Give one for those of {task.name} in their order, or for none",
            )


def examined(
    folders: Sequence[str], test: TestSet, task: Task, content: bytes
) -> list[dict[str, Any]]:
    """What each function finds in the test windows, and costs, as JSON values.

    ``content`` is that of the model which predicts them.
    """
    if not folders:
        return []
    seen = of_test(test, task, content, 0)
    return [_figures(opened, seen) for opened in _opened(folders)]


def _opened(folders: Sequence[str]) -> Iterator[Opened]:
    yield from (open_folder(from_home(folder)) for folder in folders)


def _figures(opened: Opened, seen: Seen) -> dict[str, Any]:
    calls = called(opened, events_for(opened.kinds, seen.windows), seen.model)
    outcomes = [outcome for _, outcome in calls]
    failures = [outcome.failure.text for outcome in outcomes if outcome.failure]
    kinds = Counter(event.kind for outcome in outcomes for event in outcome.events)
    limits = opened.limits
    return {
        "name": opened.name,
        "calls": len(calls),
        "failed": len(failures),
        "first_failure": failures[0] if failures else None,
        "events": dict(kinds.most_common()),
        "found": _found(calls),
        "fuel": max((outcome.fuel for outcome in outcomes), default=0) if limits else None,
        "fuel_limit": limits.fuel if limits else None,
        "median_ms": statistics.median([1000 * o.seconds for o in outcomes]) if outcomes else 0.0,
    }


def _found(calls: Sequence[Called]) -> list[dict[str, Any]]:
    """The first events, with the second of their recording."""
    told = [
        {"stream": event.stream, "second": time_of(event) / 1e9, "kind": one.kind, "data": one.data}
        for event, outcome in calls
        for one in outcome.events
    ]
    return told[:_MOST_KEPT]
