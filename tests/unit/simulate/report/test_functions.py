"""The report's part on functions."""

from typing import Any

from simulate.report.functions import functions_part

FOUND = {"stream": "person-01", "second": 2.56, "kind": "found", "data": {"text": "<script>"}}


def figures(**changes: Any) -> dict[str, Any]:
    return {
        "name": "alarm", "calls": 1200, "failed": 0, "first_failure": None,
        "events": {"found": 1}, "found": [FOUND], "fuel": 250_000, "fuel_limit": 1_000_000,
        "median_ms": 0.25, **changes,
    }  # fmt: skip


def test_it_has_calls_events_and_cost_of_each() -> None:
    part = functions_part([figures(), figures(name="class", fuel=None, fuel_limit=None, found=[])])
    assert "1,200" in part
    assert "250,000 at most (25.0% of its limit)" in part
    assert "not counted" in part
    assert "person-01" in part
    assert part.count("<details>") == 1


def test_what_somebody_wrote_is_text_and_the_first_failure_is_told() -> None:
    part = functions_part(
        [figures(first_failure="ValueError: <b>no</b> (function.py:3)", failed=2)]
    )
    assert "<script>" not in part
    assert "<b>no" not in part
    assert "ValueError: &lt;b&gt;no" in part


def test_a_run_without_functions_has_no_such_part() -> None:
    assert functions_part([]) == ""
