"""Points in time as a person types them."""

from datetime import datetime, timedelta, timezone

import pytest

from fl_client.labels.times import nanoseconds, span_shown

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("10:05", datetime(2026, 3, 1, 10, 5, tzinfo=ZONE)),
        ("9:05:30.5", datetime(2026, 3, 1, 9, 5, 30, 500_000, tzinfo=ZONE)),
        ("2026-01-31T10:05Z", datetime(2026, 1, 31, 12, 5, tzinfo=ZONE)),
        (" 2026-01-31 10:05:01+02:00 ", datetime(2026, 1, 31, 10, 5, 1, tzinfo=ZONE)),
    ],
)
def test_a_time_is_read(text: str, expected: datetime) -> None:
    assert nanoseconds("--from", text, NOW) == round(expected.timestamp() * 1000) * 10**6


def test_a_time_without_zone_is_the_machines() -> None:
    expected = datetime.fromisoformat("2026-01-31T10:05").timestamp()
    assert nanoseconds("--from", "2026-01-31T10:05", NOW) == expected * 10**9


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("10:05", "now", ("10:05:00", "12:30:15")),
        ("1d", "now", ("2026-02-28 12:30:15", "2026-03-01 12:30:15")),
        ("25h", "24h", ("2026-02-28 11:30:15", "12:30:15")),
    ],
)
def test_a_day_is_shown_where_it_is_another_one(
    begin: str, end: str, expected: tuple[str, str]
) -> None:
    ends = [nanoseconds("--from", text, NOW) for text in (begin, end)]
    assert span_shown(ends[0], ends[1], NOW) == expected
