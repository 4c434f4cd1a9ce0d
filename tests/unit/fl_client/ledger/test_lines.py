"""Lines of a ledger that an earlier version wrote."""

from typing import Any

import pytest

from fl_client.ledger.lines import _entry

LINE: dict[str, Any] = {
    "time": 1.0, "site": "anna", "run": "run", "round": 1, "unit": "window", "clip": 1.0,
    "noise": 1.0, "rate": 0.5, "steps": 2, "delta": 1e-5, "epsilon_limit": 8.0,
    "accountant": "rdp", "windows_per_reading": 3, "blocks": ["monday"], "windows": [9],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "windows"),
    [
        ({}, 1),
        ({"unit": "reading"}, 3),
        ({"unit": "site", "windows_per_reading": 1}, 1),
        ({"unit": "second", "windows_per_unit": 5}, 5),
    ],
)
def test_a_line_says_how_many_windows_its_unit_is_part_of(
    changes: dict[str, Any], windows: int
) -> None:
    assert _entry(1, {**LINE, **changes}).windows_per_unit == windows
