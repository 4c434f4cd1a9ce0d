"""When an answer leaves, in virtual time."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fl_client.release.schedule import SHORTEST_S, Schedule

WORK = "train of 2^30"
PATIENCE_S = 600.0


@dataclass
class Time:
    """A clock, and waiting that moves it."""

    now: float = 100.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def left_after(folder: Path, *worked: float, work: str = WORK) -> list[float]:
    """When answers leave that took these seconds of work, each by a new process."""
    found = []
    for seconds in worked:
        time = Time()
        schedule = Schedule(folder / "slots.json", time, time.wait)
        began = time.now
        time.now += seconds
        told = schedule.leave(work, began, PATIENCE_S)
        assert told == time.now - began or time.now - began > PATIENCE_S
        found.append(told)
    return found


def test_answers_leave_at_the_end_of_the_slot_however_long_they_took(tmp_path: Path) -> None:
    assert left_after(tmp_path, 0.0, 0.1, 0.3, 0.499) == [SHORTEST_S] * 4


def test_a_slot_grows_by_quarters_until_the_work_fits_and_never_shrinks(tmp_path: Path) -> None:
    grown = [SHORTEST_S * 1.25**times for times in (0, 9, 9, 9, 10, 10)]
    assert left_after(tmp_path, 0.1, 3.0, 0.1, 3.7, 4.0, 0.1) == pytest.approx(grown)


def test_a_slot_is_of_one_amount_of_work(tmp_path: Path) -> None:
    left_after(tmp_path, 3.0)
    assert left_after(tmp_path, 0.1, work="train of 2^12") == [SHORTEST_S]


def test_a_slot_that_has_grown_is_on_disk_before_its_answer_leaves(tmp_path: Path) -> None:
    time, path = Time(), tmp_path / "slots.json"

    def killed(seconds: float) -> None:
        raise KeyboardInterrupt

    schedule = Schedule(path, time, killed)
    time.now += 3.0
    with pytest.raises(KeyboardInterrupt):
        schedule.leave(WORK, 100.0, PATIENCE_S)
    assert left_after(tmp_path, 0.1) == [pytest.approx(SHORTEST_S * 1.25**9)]


def test_a_slot_fits_where_the_server_waits_longer_than_it(tmp_path: Path) -> None:
    schedule = Schedule(tmp_path / "slots.json", Time(), Time().wait)
    assert schedule.fits(WORK, 0.6)
    assert not schedule.fits(WORK, 0.55), "an answer must travel, too"


def test_what_is_late_grows_no_slot_but_a_hundred_times_ever(tmp_path: Path) -> None:
    assert left_after(tmp_path, *[700.0] * 100) == [SHORTEST_S] * 100
    assert left_after(tmp_path, 0.1) == [SHORTEST_S]
    schedule = Schedule(tmp_path / "slots.json", Time(), Time().wait)
    assert schedule.fits(WORK, PATIENCE_S), "a machine that slept is not shut out"
    assert left_after(tmp_path, 700.0)[0] > 700.0
    schedule = Schedule(tmp_path / "slots.json", Time(), Time().wait)
    assert not schedule.fits(WORK, PATIENCE_S), "a server learns no more so"


def test_what_is_late_leaves_at_the_end_of_a_slot(tmp_path: Path) -> None:
    time = Time()
    schedule = Schedule(tmp_path / "slots.json", time, time.wait)
    for seconds, ends in ((0.51, 1.0), (0.99, 1.0), (1.2, 1.5)):
        began, time.now = time.now, time.now + seconds
        assert schedule.leave(WORK, began, 0.5) == SHORTEST_S
        assert time.now - began == pytest.approx(ends)


def test_a_slot_is_cut_to_what_the_server_waits_a_hundred_times_ever(tmp_path: Path) -> None:
    time = Time()
    schedule, slots = Schedule(tmp_path / "slots.json", time, time.wait), [SHORTEST_S]
    for _ in range(110):
        began, slot = time.now, slots[-1]
        time.now += slot * 1.0005
        slots.append(schedule.leave(WORK, began, slot * 1.001 / 0.9))
    growth = [after / before for before, after in itertools.pairwise(slots)]
    assert growth == pytest.approx([1.001] * 100 + [1.25] * 10)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": "b"}', ""])
def test_a_file_that_can_not_be_read_starts_small(tmp_path: Path, content: str) -> None:
    (tmp_path / "slots.json").write_text(content)
    assert left_after(tmp_path, 0.1) == [SHORTEST_S]


def test_a_disk_that_is_full_stops_no_answer(tmp_path: Path) -> None:
    time, path = Time(), tmp_path / "missing" / "slots.json"
    schedule = Schedule(path, time, time.wait)
    time.now += 3.0
    assert schedule.leave(WORK, 100.0, PATIENCE_S) == pytest.approx(SHORTEST_S * 1.25**9)
