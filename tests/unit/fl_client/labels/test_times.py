"""Points in time as a person types them."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from fl_client.labels.times import nanoseconds, shown, span_shown
from fl_common.errors import InvalidConfiguration

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=ZONE)


@pytest.fixture(autouse=True)
def _in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from _of(monkeypatch, "Etc/GMT-2")


@pytest.fixture
def _in_berlin(monkeypatch: pytest.MonkeyPatch, _in_zone: None) -> Iterator[None]:
    yield from _of(monkeypatch, "Europe/Berlin")


def _of(monkeypatch: pytest.MonkeyPatch, zone: str) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


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


@pytest.mark.usefixtures("_in_berlin")
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_time_has_the_offset_of_its_own_day_when_it_is_typed_and_shown(day: str) -> None:
    """On these days the clocks of the zone change, at three in the night."""
    now = datetime.fromisoformat(f"{day}T12:00").astimezone()
    for text in ("01:30", "04:30"):
        found = nanoseconds("--from", text, now)
        assert found == nanoseconds("--from", f"{day}T{text}", now)
        assert shown(found, now) == f"{text}:00"
    other = "2026-01-31 10:05:00" if day > "2026-06" else "2026-07-31 10:05:00"
    assert shown(nanoseconds("--from", other, now), now) == other


@pytest.mark.usefixtures("_in_berlin")
@pytest.mark.parametrize("text", ["2026-10-25T02:30", "2026-03-29T02:30"])
def test_a_time_that_is_twice_or_never_is_refused_without_its_offset(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="twice, or not at all"):
        nanoseconds("--from", text, NOW)
    assert nanoseconds("--from", f"{text}+02:00", NOW) == nanoseconds(
        "--from", f"{text[:11]}00:30Z", NOW
    )


@pytest.mark.parametrize("text", ["999999d", "1800-01-01T00:00Z", "0001-01-01T00:00", "\u0663s"])
def test_what_no_sensor_can_have_told_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"is no time|before 2000"):
        nanoseconds("--from", text, NOW)
