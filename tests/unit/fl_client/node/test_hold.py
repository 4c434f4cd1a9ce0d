"""What waits while a clock can't be believed, and what is let go once it can."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_client.clock.guard import ClockGuard
from fl_client.node.hold import Hold
from fl_client.sensors import Readings
from fl_client.store.database import open_store
from fl_client.store.spool import Spool
from fl_client.store.spool_identities import Arrival
from fl_common.programs.troubles import Troubles
from tests.support.clocks import DAY, HOUR, MINUTE, NOON, Clocks


class Box:
    """A hold over a spool, in the time of clocks that a test sets."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.clocks, self.vouched, self.troubles = Clocks(), False, Troubles()
        guard = ClockGuard(
            NOON - DAY * 99, MINUTE, lambda _: self.vouched, self.troubles, "Set the clock"
        )
        self.hold = Hold(guard, lambda: self.clocks.boot)
        self.hold.recall(connection)
        self.spool = Spool(connection, 10**9, "reject", 1000)
        self.came: list[str] = []
        self.taken: list[Readings] = []

    def comes(self, ahead_ns: int = 0, stream: str = "", own_times: bool = True) -> None:
        """A message whose stamp is ahead of the true time, or the box's own clock's."""
        now, name = self.clocks.now(), str(len(self.came))
        stamp = self.clocks.true_ns + ahead_ns if own_times else now.wall_ns
        values = np.zeros((1, 1), np.float32)
        item = Readings("watch", name, np.array([stamp]), values, own_times, stream)
        self.hold.hear([Arrival(item)], now)
        self.hold.store(self.spool, [Arrival(item)], now)
        self.came.append(name)

    def takes(self) -> None:
        """Take what is let go."""
        rows = self.hold.rows(self.spool, 3, self.clocks.now())
        self.taken += [item for _, item in rows if isinstance(item, Readings)]

    @property
    def ids(self) -> list[str]:
        return [item.id for item in self.taken]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with closing(open_store(tmp_path / "site.sqlite")) as connection:
        yield Box(connection)


def test_one_fast_device_of_a_sensor_s_streams_holds_up_nobody(box: Box) -> None:
    box.comes(stream="anna")
    box.comes(2 * HOUR, stream="bob")
    box.takes()
    assert box.ids == box.came
    box.comes(2 * HOUR, stream="carl")
    box.takes()
    assert len(box.ids) == 2
    (trouble,) = box.troubles.current()
    assert "watch of bob, watch of carl" in trouble.cause


def test_what_the_box_stamps_itself_says_nothing_of_its_clock(box: Box) -> None:
    box.takes()
    box.clocks.wrong_by = DAY
    for _ in range(5):
        box.comes(own_times=False)
        box.takes()
    assert box.ids == []


@given(st.data())
def test_whatever_the_clock_does_all_is_let_go_once_in_order_and_rightly_stamped(
    tmp_path_factory: Any, data: Any
) -> None:
    folder = tmp_path_factory.mktemp("hold")
    with closing(open_store(folder / "site.sqlite")) as connection:
        box = Box(connection)
        box.takes()
        for _ in range(data.draw(st.integers(1, 15))):
            box.clocks.passes(data.draw(st.integers(1, HOUR)))
            box.clocks.wrong_by = data.draw(st.sampled_from([0, 0, DAY, -2 * HOUR]))
            if data.draw(st.booleans()):
                box.comes(own_times=data.draw(st.booleans()))
            if data.draw(st.booleans()):
                box.takes()
            if box.clocks.wrong_by:
                assert not box.hold.believes(box.clocks.now())
        box.clocks.wrong_by, box.vouched = 0, True
        while len(box.taken) < len(box.came):
            box.takes()
        assert box.ids == box.came
        stamps = [int(item.times_N[0]) for item in box.taken]
        assert all(NOON <= stamp <= box.clocks.true_ns for stamp in stamps)
        assert stamps == sorted(stamps)
        assert box.spool.counts().lost == {}
