"""The report's part on functions: what each found in the test windows, and what it cost."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from simulate.report.frame import table, text

_SHOWN = 20
_LEAD = (
    "Each function was shown the windows of the test set in order, with this model's answers, as"
    " a box would show them; each person or site is a stream of its own. Nothing was acted on."
)


def functions_part(functions: Sequence[Mapping[str, Any]]) -> str:
    """HTML of the part; empty where the run shows no function."""
    if not functions:
        return ""
    names = "function", "calls", "failed", "events", "fuel of a call", "ms of a call"
    rows = [_row(one) for one in functions]
    parts = [f"<h2>Functions</h2><p>{text(_LEAD)}</p>", _wide(table(names, rows))]
    parts += [_of_one(one) for one in functions]
    return f'<section><div class="functions">{"".join(parts)}</div></section>'


def _row(one: Mapping[str, Any]) -> Sequence[str]:
    events = ", ".join(f"{kind} {count:,}" for kind, count in one["events"].items()) or "none"
    fuel = "not counted"
    if one["fuel_limit"]:
        share = one["fuel"] / one["fuel_limit"]
        fuel = f"{one['fuel']:,} at most ({share:.1%} of its limit)"
    return (
        one["name"], f"{one['calls']:,}", f"{one['failed']:,}", events, fuel,
        f"{one['median_ms']:.2f} in the median",
    )  # fmt: skip


def _of_one(one: Mapping[str, Any]) -> str:
    """Its first events and its first failure, folded."""
    failure = ""
    if one["first_failure"]:
        words = f"The first failure of {one['name']}: {one['first_failure']}"
        failure = f'<p class="alarm">{text(words)}</p>'
    rows = [
        (event["stream"] or "-", f"{event['second']:.2f}", event["kind"], json.dumps(event["data"]))
        for event in one["found"][:_SHOWN]
    ]
    if not rows:
        return failure
    summary = f"The first events of {one['name']}"
    within = _wide(table(("stream", "second", "kind", "data"), rows))
    return f"{failure}<details><summary>{escape(summary)}</summary>{within}</details>"


def _wide(inside: str) -> str:
    return f'<div class="scroll">{inside}</div>'
