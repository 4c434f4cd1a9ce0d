"""Who vouches for a clock, and for how long."""

from dataclasses import replace
from pathlib import Path

import pytest

from fl_client.clock.guard import Instant
from fl_client.clock.machine import RELEASED_NS, THIS_MACHINE, Machine
from fl_client.clock.vouching import FILE, Vouching

NOW = Instant(1_790_000_000 * 10**9, 500 * 10**9)
HOUR = 3600 * 10**9


def vouching(home: Path, boot: str = "first") -> Vouching:
    return Vouching(home, Machine(lambda: NOW, lambda: boot, lambda: False))


def test_nobody_vouches_unasked(tmp_path: Path) -> None:
    assert not vouching(tmp_path)(NOW)
    assert Vouching(tmp_path, Machine(lambda: NOW, lambda: "", lambda: True))(NOW), "NTP does"


def test_the_operator_s_word_is_for_the_clock_as_it_is_set(tmp_path: Path) -> None:
    vouching(tmp_path).trust(NOW)
    later = Instant(NOW.wall_ns + HOUR, NOW.elapsed_ns + HOUR)
    assert vouching(tmp_path)(later)
    assert not vouching(tmp_path)(replace(later, wall_ns=later.wall_ns + HOUR)), "it was set"
    assert not vouching(tmp_path, "second")(later), "the machine was restarted"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"boot": "first", "offset_ns": "x"}', "\0"])
def test_a_damaged_word_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert not vouching(tmp_path)(NOW)


def test_this_machine_s_clocks_are_read() -> None:
    first, second = THIS_MACHINE.clocks(), THIS_MACHINE.clocks()
    assert first.elapsed_ns < second.elapsed_ns
    assert abs(second.offset_ns - first.offset_ns) < HOUR
    assert first.wall_ns > RELEASED_NS
    assert THIS_MACHINE.synchronised() in (True, False)
    assert THIS_MACHINE.boot() == THIS_MACHINE.boot() != ""
