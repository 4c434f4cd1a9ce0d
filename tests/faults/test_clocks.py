"""A whole node whose clock is wrong: nothing is deleted and nothing acknowledged is lost."""

import io
import json
import re
import shutil
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from fl_client.clock.vouching import Vouching
from fl_client.federation.traffic import TrafficRecord
from fl_client.home import STORE, TRAINING
from fl_client.node.report import Report
from fl_client.node.status_table import status_table
from fl_client.store.database import open_store
from tests.support.clocked_box import ROWS, Box, started
from tests.support.clocks import DAY, HOUR, MINUTE, Clocks
from tests.support.counting import GOOD
from tests.support.nodes import place_model, wait_for


@pytest.fixture(scope="module")
def with_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("model") / "box"
    home.mkdir()
    place_model(home)
    return home


@pytest.fixture
def home(with_model: Path, tmp_path: Path) -> Path:
    """The folder of a node that has a model and has never run."""
    shutil.copytree(with_model, tmp_path / "box")
    return tmp_path / "box"


@pytest.fixture
def lived(home: Path) -> tuple[Path, Clocks, int]:
    """A box that has run for a while: its folder, its clocks, and the number of its windows."""
    clocks = Clocks()
    with started(home, clocks) as box:
        box.send(40)
        box.rests()
        assert box.told == ""
        assert box.counts.lost == {}
        windows = box.windows
    assert windows >= 8
    return home, clocks, windows


def test_a_start_forty_days_ahead_deletes_and_loses_nothing(
    lived: tuple[Path, Clocks, int],
) -> None:
    home, clocks, windows = lived
    clocks.restarts(40 * DAY)
    with started(home, clocks) as box:
        box.rests()
        assert "40 days" in box.told
        box.send(40)
        box.rests(HOUR)
        assert box.windows == windows
        assert box.counts.lost == {}
        clocks.wrong_by = 0
        box.rests()
        assert box.told == ""
        assert box.windows >= windows + 8
        assert box.counts.lost == {}


def test_a_jump_of_sixty_days_for_some_seconds_is_harmless(
    lived: tuple[Path, Clocks, int],
) -> None:
    home, clocks, windows = lived
    with started(home, clocks) as box:
        box.send(10)
        clocks.wrong_by = 60 * DAY
        box.rests(0)
        assert "it jumped 60 days" in box.told
        box.send(10)
        box.rests(0)
        clocks.wrong_by = 0
        box.send(20)
        box.rests()
        assert box.told == ""
        assert box.counts.lost == {}
        assert box.windows >= windows + 8


@pytest.mark.slow
def test_two_hours_behind_before_ntp_no_acknowledged_message_is_lost(home: Path) -> None:
    """The clock starts where it was switched off; nothing but the sensors can tell."""
    clocks = Clocks(wrong_by=-2 * HOUR)
    with started(home, clocks) as box:
        box.rests()
        assert box.told == ""
        box.send(870)
        assert "watch up to 2:00:00 later" in box.told
        assert box.counts.waiting == 870
        clocks.wrong_by = 0
        box.rests()
        assert box.told == ""
        assert box.counts.lost == {}
        assert box.windows >= 870 * ROWS // 64 - 3


def test_what_waits_is_kept_over_a_restart_and_in_its_order(home: Path) -> None:
    clocks = Clocks(wrong_by=-2 * HOUR)
    with started(home, clocks) as box:
        box.send(20)
    clocks.restarts(-2 * HOUR)
    with started(home, clocks) as box:
        box.rests()
        assert "watch" in box.told, "the stored messages tell it"
        box.send(20)
        clocks.wrong_by = 0
        box.rests()
        assert box.counts.lost == {}
        assert box.windows >= 40 * ROWS // 64 - 3


def test_a_day_ahead_and_back_makes_no_reading_late(lived: tuple[Path, Clocks, int]) -> None:
    """The watch takes its time from the box, so nobody sees that both are wrong."""
    home, clocks, _ = lived
    with started(home, clocks) as box:
        clocks.wrong_by = DAY
        box.send(20, ahead_ns=DAY)
        box.rests()
        assert box.told == "", "the watch agrees"
        clocks.wrong_by = 0
        box.send(40)
        box.rests()
        assert box.told == ""
        before = box.windows
        box.send(40)
        box.rests()
        assert box.counts.lost.get("late", 0) == 0
        assert box.windows >= before + 8


@pytest.mark.parametrize("confirmed", ["by the watch", "by the operator", "by NTP"])
def test_a_box_that_was_off_for_forty_days_goes_on_once_it_is_confirmed(
    lived: tuple[Path, Clocks, int], confirmed: str
) -> None:
    home, clocks, windows = lived
    clocks.restarts(0)
    clocks.passes(40 * DAY)
    with started(home, clocks) as box:
        box.rests()
        assert "40 days" in box.told
        assert box.windows == windows
        if confirmed == "by the watch":
            box.send(1)
        elif confirmed == "by NTP":
            clocks.synchronised = True
        else:
            Vouching(home, clocks.machine).trust(clocks.now())
        box.rests()
        assert box.told == ""
        box.rests()
        assert box.windows < windows, "they are forty days old"


def test_a_watch_that_is_hours_ahead_is_lost_only_on_the_operator_s_word(home: Path) -> None:
    clocks = Clocks()
    with started(home, clocks) as box:
        box.send(5, ahead_ns=2 * HOUR)
        box.rests()
        assert "watch up to 2:00:00 later" in box.told
        assert box.counts.waiting == 5
        Vouching(home, clocks.machine).trust(clocks.now())
        box.rests()
        assert box.counts.lost == {"ahead": 5}
        box.send(40)
        box.rests()
        assert box.counts.lost == {"ahead": 5}
        assert box.windows >= 8


def test_the_status_says_what_the_clock_is_by_itself_and_by_the_server_s(home: Path) -> None:
    clocks, shown = Clocks(wrong_by=-2 * HOUR), io.StringIO()
    with started(home, clocks) as box:
        TrafficRecord(home / TRAINING).note_clock(-7200.0)
        box.send(1)
        box.rests()
        Console(file=shown, width=500).print(status_table(Report(box.box).status()))
    assert re.search(r"clock +2:00:00 behind the server's", shown.getvalue())
    assert "clock: it reads 2026-09-21 12:13:20 UTC, and watch up to 2:00:00" in shown.getvalue()
    assert f"fl-client clock --trust --home {home}" in shown.getvalue()


def test_readings_without_stamps_get_the_right_ones_once_the_clock_is_right(home: Path) -> None:
    clocks = Clocks()
    with started(home, clocks, stamped=False) as box:
        box.send(20)
        clocks.wrong_by = 60 * DAY
        box.send(20)
        assert "it jumped" in box.told
        assert box.counts.waiting >= 20
        clocks.wrong_by = 0
        box.send(20)
        box.rests()
        assert box.told == ""
        assert box.counts.lost == {}
        assert box.windows >= 60 * ROWS // 64 - 3, "as if nothing had happened"
        with closing(open_store(home / "site.sqlite")) as connection:
            newest = connection.execute("SELECT max(start_ns) FROM windows").fetchone()[0]
        assert clocks.true_ns - 2 * MINUTE < newest < clocks.true_ns


def test_readings_that_nobody_can_date_any_more_are_lost_with_that_reason(home: Path) -> None:
    with started(home, clocks := Clocks(), stamped=False) as box:
        box.send(20)
        box.rests()
    clocks.restarts(40 * DAY)
    with started(home, clocks, stamped=False) as box:
        box.send(20)
        assert box.counts.lost == {}
    clocks.restarts(0)
    with started(home, clocks, stamped=False) as box:
        box.rests()
        assert box.told == ""
        assert box.counts.lost == {"clock": 20}
        box.send(40)
        box.rests()
        assert box.counts.lost == {"clock": 20}


def test_a_label_of_days_ahead_is_lost_by_a_clock_that_is_right(home: Path) -> None:
    clocks = Clocks()
    with started(home, clocks) as box:
        box.annotate(2 * DAY)
        assert box.counts.lost == {"ahead": 1}
        clocks.wrong_by = -2 * HOUR
        box.annotate(0)
        assert box.counts.waiting == 1
        clocks.wrong_by = 0
        box.rests()
        assert box.counts.lost == {"ahead": 1}
        assert box.counts.waiting == 0


def told_of(home: Path) -> dict[int, int]:
    """The number that the function gave to each window, by its start."""
    with closing(open_store(home / STORE)) as store:
        rows = store.execute("SELECT event FROM outbox ORDER BY number").fetchall()
    told = [json.loads(event)["data"] for (event,) in rows]
    return {data["window_start_ns"]: data["number"] for data in told if "number" in data}


def has_told(box: Box, windows: int) -> bool:
    """Whether the function has told of so many windows, after a minute."""
    box.rests()
    return len(told_of(box.home)) >= windows


@pytest.mark.long
def test_functions_are_shown_each_window_once_whatever_the_clock_does(home: Path) -> None:
    """Ahead, behind, a day ahead and back, with a restart in between."""
    clocks = Clocks()
    for wrong_by in (0, 40 * DAY, -2 * HOUR, DAY, 0):
        clocks.restarts(wrong_by)
        with started(home, clocks, "functions=none", GOOD) as box:
            wait_for(box.serves, "a model")
            box.send(20)
            box.rests()
    with started(home, clocks, "functions=none", GOOD) as box:
        wait_for(box.serves, "a model")
        box.send(20)
        box.rests()
        windows = box.windows
        wait_for(partial(has_told, box, windows), "what the function tells")
        assert box.counts.lost == {}
        counted = box.box.loop.pipeline.counts()[3]
        assert (counted.letters, counted.dropped) == ({}, {})
    assert sorted(told_of(home).values()) == list(range(1, windows + 1))
