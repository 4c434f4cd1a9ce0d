"""``fl-fn test``: a function's cases, its limits, and twice the same bytes."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fl_common.errors import JoinTheDotsError
from fl_common.functions.asked import Model
from fl_common.functions.cases import CASES, Case, State, Tried, read_cases, try_cases, written
from fl_common.functions.events import (
    Event,
    Happening,
    Predicted,
    Reading,
    event_fields,
)
from fl_common.functions.limits import Limits
from fl_common.functions.sandbox.outcome import Outcome
from simulate.functions.opened import Opened, check_folder, open_folder

_MOST_SHOWN = 20
_WIDEST = 60
FUEL_SHARE = 0.5
"""The most that a call of the cases may use of its fuel: other events may need more."""


def test(folder: Path, model: Path | None) -> None:
    """Try the function in ``folder`` on its cases, and show it; exits with 1 if anything is wrong.

    What it asks a model is answered as its cases say; by the file ``model``, where it is given.

    Raises:
        BadInput: the folder, the function or its cases can't be read or made.
    """
    output = Console(highlight=False)
    check_folder(folder)
    cases = read_cases(folder / CASES)
    opened = open_folder(folder, output)
    asked = None if model is None else _asked(model)
    tried = try_cases(opened.function, cases, asked)
    again = try_cases(open_folder(folder).function, cases, asked)
    _show(output, opened, tried)
    wrong = [*_wrong(opened, tried)]
    if written(tried) != written(again):
        wrong.append("a second time gave other events, or another state")
    else:
        output.print("twice      the same bytes")
    for line in wrong:
        output.print(Text(f"wrong      {line}"), soft_wrap=True)
    if wrong:
        sys.exit(JoinTheDotsError.exit_status)


def _asked(path: Path) -> Model:
    from simulate.functions.models import asked_file  # slow to import

    return asked_file(path)


def _wrong(opened: Opened, tried: Sequence[Tried]) -> list[str]:
    found = []
    if unfit := [one for one in tried if not one.fits]:
        found.append(f"{len(unfit)} of {len(tried)} cases")
    fuel = max(one.outcome.fuel for one in tried)
    if opened.limits is not None and fuel > FUEL_SHARE * opened.limits.fuel:
        rule = f"a case uses {fuel:,} of the fuel, more than half of limits.fuel"
        found.append(f"{rule} ({opened.limits.fuel:,}): raise it, or do less")
    return found


def _show(output: Console, opened: Opened, tried: Sequence[Tried]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("line", "given"):
        table.add_column(heading, header_style="bold", no_wrap=True)
    table.add_column("found", header_style="bold", overflow="fold")
    for heading in ("fuel", "ms"):
        table.add_column(heading, header_style="bold", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in _shown(tried):
        outcome, mark = one.outcome, Text("ok") if one.fits else Text("WRONG", "bold red")
        spent = f"{outcome.fuel:,}" if opened.limits else "-", f"{1000 * outcome.seconds:.2f}"
        table.add_row(str(one.case.line), Text(given(one.case.given)), Text(found(outcome)),
                      *spent, mark)  # fmt: skip
        if not one.fits:
            words = one.otherwise or f"expected {_expected(one.case)}"
            table.add_row("", "", Text(words), "", "", "")
    output.print(table)
    if (left := len(tried) - len(_shown(tried))) > 0:
        output.print(f"and {left:,} other cases as expected")
    output.print(f"cases      {sum(one.fits for one in tried):,} of {len(tried):,} as expected")
    if opened.limits is not None:
        for line in used(opened.limits, [one.outcome for one in tried]):
            output.print(line)


def _shown(tried: Sequence[Tried]) -> list[Tried]:
    """All of a few cases; of many those that are wrong."""
    wrong = [one for one in tried if not one.fits]
    return list(tried) if len(tried) <= _MOST_SHOWN else wrong[:_MOST_SHOWN]


def used(limits: Limits, outcomes: Sequence[Outcome]) -> list[str]:
    """The most that a call used, beside its limits."""
    states = [_size(outcome.state) for outcome in outcomes]
    rows = [
        ("fuel", max(outcome.fuel for outcome in outcomes), limits.fuel, ""),
        ("time", max(1000 * outcome.seconds for outcome in outcomes), limits.milliseconds, " ms"),
        ("events", max(len(outcome.events) for outcome in outcomes), limits.events, ""),
        ("state", max(states), limits.state_bytes, " bytes"),
    ]
    return [
        f"{name:<11}{_number(most)} at most in a call, of {limit:,}{unit} ({most / limit:.0%})"
        for name, most, limit, unit in rows
    ]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _size(state: State) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in state.items())


def given(event: Event) -> str:
    """An event in a few words."""
    (kind,) = event_fields(event)
    if isinstance(event, Predicted):
        says = event.label or event.said
    elif isinstance(event, Happening):
        says = f"{event.function}/{event.kind}"
    else:
        says = event.sensor if isinstance(event, Reading) else ""
    return f"{kind} {says}".rstrip()


def found(outcome: Outcome) -> str:
    """What came of a call, in one line."""
    if (failure := outcome.failure) is not None:
        is_told = failure.line is None or f":{failure.line})" in failure.text
        where = "" if is_told else f" (line {failure.line})"
        return f"failed: {failure.text}{where}"
    return "; ".join(_event(one.kind, one.data) for one in outcome.events) or "-"


def _event(kind: str, data: Mapping[str, Any]) -> str:
    text = json.dumps(data)
    return f"{kind} {text if len(text) <= _WIDEST else text[: _WIDEST - 1] + '…'}"


def _expected(case: Case) -> str:
    if case.fails is not None:
        return f"a failure with {case.fails!r}"
    return "; ".join(_event(one["kind"], one["data"]) for one in case.expect) or "nothing"
