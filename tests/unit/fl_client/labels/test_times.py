"""Points in time as a person types them."""

from datetime import datetime, timedelta, timezone

import pytest

from fl_client.labels.times import nanoseconds, shown

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


def test_a_time_is_shown_with_its_day_unless_it_is_today() -> None:
    assert shown(nanoseconds("--from", "10:05", NOW), NOW) == "10:05:00"
    assert shown(nanoseconds("--from", "1d", NOW), NOW) == "2026-02-28 12:30:15"
