"""The health window of a new version, and which sites are canaries: pure decisions."""

import numpy as np
import pytest

from fl_client.components.canary import is_canary
from fl_client.components.health import Health, HealthCounts
from fl_client.inference.prediction import Prediction
from fl_common.errors import InvalidConfiguration

HEALTH = Health(windows=100, more_failures=0.05, times_slower=3.0, ends=3)
BEFORE = HealthCounts(windows=1000, failed=20, seconds=1.0, fuel=1_000_000)


def test_a_tally_counts_windows_without_a_finite_answer_and_seconds() -> None:
    rows_NK = np.array([[0.1, 0.9], [np.nan, np.nan], [0.5, 0.5]], np.float32)
    tally = HealthCounts(1, 1, 1.0) + HealthCounts.of(Prediction("d", ("a", "b"), rows_NK, 0.5))
    assert tally == HealthCounts(4, 2, 1.5)


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        (HealthCounts(99, 7, 0.1), None),
        (HealthCounts(8, 8, 0.1), "8 of 8 windows"),
        (HealthCounts(100, 8, 0.1), "share of 0.07 is allowed"),
        (HealthCounts(100, 7, 0.1), None),
        (HealthCounts(50, 0, 50.0), None),
        (HealthCounts(100, 0, 0.29), None),
        (HealthCounts(100, 0, 0.31), "3.1 times as long"),
        (HealthCounts(100, 0, 0.0, 290_000), None),
        (HealthCounts(99, 0, 0.0, 310_000), None),
        (HealthCounts(100, 0, 0.0, 310_000), "a call takes 3,100 fuel, 3.1 times as much"),
    ],
)
def test_a_fault_is_more_failures_or_more_time_than_before(
    now: HealthCounts, fault: str | None
) -> None:
    found = HEALTH.fault(BEFORE, now)
    assert (found is None) if fault is None else (found is not None and fault in found)


def test_without_a_version_before_only_failures_count() -> None:
    assert HEALTH.fault(HealthCounts(), HealthCounts(100, 5, 1e6)) is None
    assert HEALTH.fault(HealthCounts(), HealthCounts(6, 6, 0.0)) is not None


@pytest.mark.parametrize(
    "change",
    [{"windows": 0}, {"more_failures": 1.0}, {"times_slower": 1.0}, {"ends": 0}],
)
def test_a_health_window_that_can_not_be_is_refused(change: dict[str, float]) -> None:
    values = {"windows": 1, "more_failures": 0.0, "times_slower": 2.0, "ends": 1, **change}
    with pytest.raises(InvalidConfiguration, match=next(iter(change))):
        Health(**values)  # type: ignore[arg-type]


def test_canaries_are_about_the_share_and_a_larger_share_holds_the_smaller() -> None:
    sites = [f"site-{number}" for number in range(2000)]
    few = {site for site in sites if is_canary(site, "ab" * 32, 10)}
    many = {site for site in sites if is_canary(site, "ab" * 32, 50)}
    assert 140 < len(few) < 260
    assert 880 < len(many) < 1120
    assert few < many


def test_another_version_has_other_canaries() -> None:
    sites = [f"site-{number}" for number in range(500)]
    first = {site for site in sites if is_canary(site, "ab" * 32, 20)}
    second = {site for site in sites if is_canary(site, "cd" * 32, 20)}
    assert len(first & second) < len(first) / 2
