"""Laws of ledger and counter: no crash raises a false alarm, and none hides a lost debit."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.ledger.counter import Counter, counter_beside
from fl_client.ledger.ledger import Charge, Ledger
from fl_common.errors import LedgerError
from tests.support.samples import WINDOW_PRIVACY
from tests.support.sources import ROOT

SLOT = 4096
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # where syncing costs nothing
write = os.pwrite


class Crash(BaseException):
    """Stands for the end of the process at this instant."""


def crash(*_: object) -> None:
    raise Crash


def crash_after(cut: int) -> Callable[[int, bytes, int], int]:
    """Writes the first ``cut`` bytes of a slot, as a disk that loses power, and ends."""

    def torn(descriptor: int, data: bytes, offset: int) -> int:
        write(descriptor, data[:cut], offset)
        raise Crash

    return torn


@dataclass
class Box:
    """A site's disk, and what it knows to have paid for."""

    path: Path
    acknowledged: list[int] = field(default_factory=list)
    attempted: list[int] = field(default_factory=list)
    copies: list[tuple[bytes, bytes]] = field(default_factory=list)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        ledger = Ledger(self.path, lambda: 0.0, "anna")
        try:
            yield ledger
        finally:
            ledger.close()

    def debit(self, lines: int, crash_point: str, cut: int) -> None:
        """One process: it opens the ledger, debits once, and ends at the crash point."""
        round_ = len(self.attempted)
        self.attempted.append(round_)
        cohort = [charge(round_) for _ in range(lines)]
        with suppress(Crash), self.ledger() as ledger:
            if crash_point == "before the commit":
                ledger._clock = crash  # type: ignore[assignment]
            changes = {
                "before the counter": ("pwrite", crash),
                "torn counter": ("pwrite", crash_after(cut)),
                "before the counter is synced": ("fdatasync", crash),
            }
            with mock.patch.object(os, *changes.get(crash_point, ("pwrite", write))):
                ledger.debit(cohort)
            self.acknowledged.append(round_)
        self.copies.append((self.path.read_bytes(), counter_beside(self.path).read_bytes()))

    def rounds(self) -> set[int]:
        with self.ledger() as ledger:
            return {entry.round for entry in ledger.entries("anna")}


def charge(round_: int) -> Charge:
    return Charge("anna", "run", round_, "digest", WINDOW_PRIVACY, ("a",), False)


crash_points = st.sampled_from(
    [
        "none",
        "before the commit",
        "before the counter",
        "torn counter",
        "before the counter is synced",
    ]
)
debits = st.lists(
    st.tuples(st.integers(1, 3), crash_points, st.integers(0, SLOT)), min_size=1, max_size=6
)


@settings(max_examples=50)
@given(debits=debits)
def test_no_crash_raises_a_false_alarm_or_loses_a_debit(debits: list[tuple[int, str, int]]) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        box = Box(Path(folder) / "ledger.sqlite")
        for debit in debits:
            box.debit(*debit)
            assert set(box.acknowledged) <= box.rounds() <= set(box.attempted)


@settings(max_examples=60)
@given(debits=debits, data=st.data())
def test_no_crash_hides_that_an_old_copy_of_the_ledger_was_put_back(
    debits: list[tuple[int, str, int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        box = Box(Path(folder) / "ledger.sqlite")
        for debit in debits:
            box.debit(*debit)
        ledger, _ = data.draw(st.sampled_from(box.copies))
        box.path.write_bytes(ledger)
        try:
            rounds = box.rounds()
        except LedgerError:
            return  # found: nothing is trained on it
        assert set(box.acknowledged) <= rounds


@settings(max_examples=25)
@given(debits=debits, data=st.data())
def test_ledger_that_opens_with_an_old_counter_has_brought_it_up_to_date(
    debits: list[tuple[int, str, int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        box = Box(Path(folder) / "ledger.sqlite")
        for debit in debits:
            box.debit(*debit)
        _, counter = data.draw(st.sampled_from(box.copies))
        counter_beside(box.path).write_bytes(counter)
        with suppress(LedgerError), box.ledger() as ledger:
            lines = max((entry.number for entry in ledger.entries("anna")), default=0)
            with Counter(counter_beside(box.path)).held() as slots:
                assert slots.read().number == lines


KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from tests.laws.test_ledger_crashes import Ledger, charge
path, where, debits = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ledger = Ledger(path, lambda: 0.0, "anna")

def end(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def then_end(function):
    return lambda *arguments: (function(*arguments), end())

for round_ in itertools.count(1):
    if round_ == debits:
        if where == "before the commit":
            ledger._clock = end
        elif where == "before the counter":
            os.pwrite = end
        elif where == "before the counter is synced":
            os.pwrite = then_end(os.pwrite)
        else:
            os.fdatasync = then_end(os.fdatasync)
    ledger.debit([charge(round_), charge(round_)])
    print(round_, flush=True)
"""


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("before the commit", 2),
        ("before the counter", 3),
        ("before the counter is synced", 3),
        ("before the answer", 3),
    ],
)
def test_killed_process_leaves_a_ledger_that_goes_on(tmp_path: Path, where: str, kept: int) -> None:
    path = tmp_path / "ledger.sqlite"
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), where, "3"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert child.returncode == -9
    assert child.stdout.split() == ["1", "2"]
    box = Box(path)
    assert box.rounds() == set(range(1, kept + 1))
    with box.ledger() as ledger:
        assert ledger.debit([charge(9)]) == [("a",)]
