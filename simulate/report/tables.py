"""The tables that stand at the end of a run, to fit any width."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from statistics import median
from typing import Any

from rich.table import Table
from rich.text import Text

from fl_common.plan import RunPlan
from fl_common.vocabulary import Refusal
from models.kinds import Measure, kind_of
from simulate.report.results import Outcome
from simulate.report.wording import (
    SEEDED_NOISE,
    added_by_text,
    both_units_text,
    bytes_text,
    counted,
    held_out_text,
    loss_text,
    measure_text,
    on_sites_price,
    on_sites_text,
    one_line,
    seconds_text,
    share_text,
    whose_text,
)

KEY_CELLS = 12
"""Width of the first column, at least, with the gap after it."""
_SHOWN = 8
"""Classes, and sites that refused, shown by name at most; the report and the log have all."""
_NAME_CELLS = 28
"""Longer names of classes and sites are cut."""


class RefusalLog:
    """Which sites refused, why and how often, as far as this process has seen it."""

    def __init__(self) -> None:
        self._rounds_of: dict[str, Counter[str]] = defaultdict(Counter)
        self._latest: dict[str, Refusal] = {}

    def __bool__(self) -> bool:
        return bool(self._rounds_of)

    def add(self, refusal: Refusal) -> None:
        """Count ``refusal``."""
        reason = str(refusal.reason)
        self._rounds_of[reason][refusal.site] += 1
        self._latest[reason] = refusal

    def table(self) -> Table:
        """One row for each reason: the sites, how many rounds each, and the latest one's words."""
        table = _table()
        for reason, rounds_of in self._rounds_of.items():
            named = [f"{_cut(site)} ({count})" for site, count in rounds_of.most_common(_SHOWN)]
            more = [f"{len(rounds_of) - _SHOWN} more"] if len(rounds_of) > _SHOWN else []
            sites = f"{counted(len(rounds_of), 'site')} (rounds): {', '.join(named + more)}"
            latest = self._latest[reason]
            words = f"{_cut(latest.site)}: {one_line(latest.detail)}"
            table.add_row(reason, Text(f"{sites}\n{words}"))
        return table


def main_table(summary: Mapping[str, Any], outcome: Outcome, plan: RunPlan) -> Table:
    """The figures of the run."""
    table = _table()
    (first, *others), values = kind_of(plan.task).measures, summary["measures"]
    beside = [f"{each.title} {measure_text(each, values[each.name])}" for each in others]
    more = "   ".join(["", f"loss {loss_text(summary['loss'])}", *beside])
    reached = measure_text(first, values[first.name])
    table.add_row(first.name, Text.assemble((reached, "bold green"), more))
    if outcome.guess is not None:
        table.add_row("a guess", Text(outcome.guess.told(first)))
    table.add_row("per site", Text(_spread(outcome, first)))
    if figures := summary["on_sites"]:
        told = f"{on_sites_text(figures, plan.task)}\n{on_sites_price(figures, plan)}"
        table.add_row("on sites", Text(told))
    privacy_style = "" if plan.privacy.guarantee else "bold red"
    table.add_row("privacy", Text(_privacy_text(summary, plan), style=privacy_style))
    up, down = bytes_text(summary["bytes_up"]), bytes_text(summary["bytes_down"])
    table.add_row("traffic", f"{up} up, {down} down")
    table.add_row("time", _time_text(summary["seconds"]))
    table.add_row("model", f"torch and ONNX Runtime differ by at most {summary['onnx_parity']:.1e}")
    table.add_row("digest", Text(summary["parameter_digest"]))
    component = summary["component"]
    words = "{kind} {name} {version} is in {stage}".format(**component)
    table.add_row("component", Text(f"{words}\n{component['digest']}"))
    return table


def class_table(share_of: Mapping[str, float], unicode: bool) -> Table:
    """The labels in the task's order; only the lowest where there are many."""
    classes = list(share_of.items())
    if len(classes) > _SHOWN:
        classes = sorted(classes, key=lambda item: item[1])[:_SHOWN]
    table = _table()
    full, mark = 20, "━" if unicode else "="
    for label, share in classes:
        bar = mark * round(full * share) if math.isfinite(share) else ""
        table.add_row(Text(_cut(label)), Text.assemble(share_text(share), " ", (bar, "green")))
    if len(classes) < len(share_of):
        table.add_row("", f"the {_SHOWN} lowest; summary.json has all")
    return table


def _spread(outcome: Outcome, measure: Measure) -> str:
    """Lowest, median and highest with the names of the extremes."""
    accuracy_of = outcome.accuracy_of_group or outcome.measure_of_group
    accuracy_of = {name: share for name, share in accuracy_of.items() if math.isfinite(share)}
    if not accuracy_of:
        return "not known"
    low, high = (
        min(accuracy_of, key=accuracy_of.__getitem__),
        max(accuracy_of, key=accuracy_of.__getitem__),
    )
    return (
        f"lowest {measure_text(measure, accuracy_of[low])} ({_cut(low)}),"
        f" median {measure_text(measure, median(accuracy_of.values()))},"
        f" highest {measure_text(measure, accuracy_of[high])} ({_cut(high)})"
    )


def spent_text(summary: Mapping[str, Any], plan: RunPlan) -> str:
    """``epsilon 7.98 of 8``, with that of evaluations, or that there is no DP."""
    if (promise := plan.privacy.guarantee) is None:
        return "no DP"
    held_out = held_out_text(summary, plan)
    also = f", and {held_out}" if held_out else ""
    return f"epsilon {summary['epsilon']:.3g} of {promise.epsilon_limit:g}{also}"


def _privacy_text(summary: Mapping[str, Any], plan: RunPlan) -> str:
    if plan.privacy.guarantee is None:
        return "none"
    whose = f"{whose_text(plan)} (highest over sites)"
    both = both_units_text(summary, plan)
    noise = f"noise multiplier {summary['noise_multiplier']:.3g}{added_by_text(plan)}"
    return (
        f"{spent_text(summary, plan)} at delta {summary['delta']:g} {whose}\n"
        f"{both + chr(10) if both else ''}"
        f"{summary['accountant']}\n{noise}" + (f", {SEEDED_NOISE}" if plan.seed is not None else "")
    )


def _time_text(seconds: Mapping[str, Any]) -> str:
    each = seconds["per_round"]
    return (
        f"{seconds_text(seconds['total'])} in all, {seconds_text(seconds['start_up'])} to start"
        + (f", {seconds_text(each)} a round" if each is not None else "")
    )


def _cut(name: str) -> str:
    name = one_line(name)
    return name if len(name) <= _NAME_CELLS else name[: _NAME_CELLS - 1] + "…"


def _table() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, style="cyan", min_width=KEY_CELLS - 2)
    table.add_column(overflow="fold")
    return table
