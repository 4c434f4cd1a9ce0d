"""A ledger that was edited, cut off, put back from an old copy or is another site's is refused."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fl_client.ledger import file as ledger_file
from fl_client.ledger.adopt import adopt
from fl_client.ledger.chain import Head, genesis
from fl_client.ledger.counter import Counter, counter_beside
from fl_client.ledger.ledger import Charge, Ledger
from fl_common.errors import LedgerError
from tests.support.samples import WINDOW_PRIVACY

LINES = 6


def charge(round_: int, site: str = "anna") -> Charge:
    blocks = ("a", "b")
    return Charge(site, "run", round_, "digest", WINDOW_PRIVACY, blocks, False)


def opened(path: Path, owner: str | None = "anna", counter: Path | None = None) -> Ledger:
    return Ledger(path, lambda: 7.0, owner, counter)


def add(path: Path, *rounds: int) -> None:
    with closing(opened(path)) as ledger:
        for round_ in rounds:
            ledger.debit([charge(round_)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed ledger of six lines."""
    ledger = tmp_path / "ledger.sqlite"
    add(ledger, *range(1, LINES + 1))
    return ledger


@contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def refused(path: Path, match: str) -> str:
    with pytest.raises(LedgerError, match=match) as caught:
        opened(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def rewrite_chain(connection: sqlite3.Connection) -> None:
    """What someone would do who knows how the chain is made."""
    previous = genesis("anna").hash
    rows = connection.execute("SELECT number, line FROM charge ORDER BY number").fetchall()
    for number, line in rows:
        previous = hashlib.sha256((previous + line).encode()).hexdigest()
        connection.execute("UPDATE charge SET hash = ? WHERE number = ?", (previous, number))


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("UPDATE charge SET line = json_set(line, '$.steps', 1) WHERE number = 3", "line 3 .*edit"),
        ("UPDATE charge SET line = json_set(line, '$.time', 9) WHERE number = 6", "line 6 .*edit"),
        ("UPDATE charge SET hash = upper(hash) WHERE number = 2", "line 2 .*edit"),
        ("DELETE FROM charge WHERE number = 4", "line 4 is missing: line 5"),
        ("DELETE FROM charge WHERE number = 1", "line 1 is missing: line 2"),
        ("DELETE FROM charge WHERE number = 6", "ends at line 5.*counted 6.*1 lines .*lost"),
        ("DELETE FROM charge", "ends at line 0.*counted 6"),
        ("DELETE FROM charge WHERE number = 4; UPDATE charge SET number = number - 1"
         " WHERE number > 4", "line 4 .*edited or moved"),
        ("UPDATE charge SET number = 99 WHERE number = 2; UPDATE charge SET number = 2 WHERE"
         " number = 3; UPDATE charge SET number = 3 WHERE number = 99", "line 2 .*moved"),
        ("UPDATE owner SET name = 'bert'", "belongs to bert"),
        ("UPDATE spent SET steps = 1", "sums differ"),
        ("DELETE FROM spent WHERE block = 'a'", "sums differ"),
        ("PRAGMA user_version = 99", "version 99"),
        ("PRAGMA journal_mode = DELETE", "journal mode delete"),
    ],
)  # fmt: skip
def test_changed_ledger_is_refused_and_the_line_is_named(
    path: Path, statement: str, match: str
) -> None:
    with edited(path) as connection:
        for part in statement.split("; "):
            connection.execute(part)
    refused(path, match)


def test_another_sites_lines_under_this_sites_name_are_refused(path: Path, tmp_path: Path) -> None:
    with closing(opened(tmp_path / "bert.sqlite", "bert")) as other:
        other.debit([charge(1, "bert")])
    with edited(tmp_path / "bert.sqlite") as connection:
        connection.execute("UPDATE owner SET name = 'anna'")
    path.unlink()
    shutil.copy(tmp_path / "bert.sqlite", path)
    refused(path, "line 1 .*edited")


def test_edit_with_a_new_chain_is_refused_by_the_counter(path: Path) -> None:
    with edited(path) as connection:
        connection.execute("UPDATE charge SET line = json_set(line, '$.steps', 1)")
        connection.execute("UPDATE spent SET steps = 6")
        rewrite_chain(connection)
    refused(path, "another line 6 than .*counter has seen: it was rewritten")


def test_old_copy_of_the_ledger_is_refused(path: Path) -> None:
    copy = shutil.copy(path, path.with_name("backup"))
    add(path, 7)
    shutil.copy(copy, path)
    assert "adopt" in refused(path, "old copy")


def test_old_copy_that_went_on_by_itself_is_refused(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    shutil.copy(path, copy)
    shutil.copy(counter_beside(path), counter_beside(copy))
    add(copy, 8, 9, 10)
    add(path, 7, 8)
    shutil.copy(copy, path)
    refused(path, "another line 8")


def test_old_copy_of_the_counter_is_refused(path: Path) -> None:
    copy = shutil.copy(counter_beside(path), path.with_name("backup"))
    add(path, 7, 8)
    shutil.copy(copy, counter_beside(path))
    refused(path, "more than one debit ahead")


def test_counter_one_debit_behind_is_what_a_crash_leaves_and_is_repaired(path: Path) -> None:
    copy = shutil.copy(counter_beside(path), path.with_name("backup"))
    with closing(opened(path)) as ledger:
        ledger.debit([charge(7), charge(8), charge(9)])
    shutil.copy(copy, counter_beside(path))
    opened(path).close()
    with Counter(counter_beside(path)).held() as slots:
        assert slots.read().number == 9


def test_missing_counter_of_a_ledger_with_lines_is_refused(path: Path) -> None:
    counter_beside(path).unlink()
    assert "fl-client ledger adopt" in refused(path, "6 lines.*counter.*missing")
    assert not counter_beside(path).exists()


def test_counter_removed_or_put_back_while_in_use_is_noticed(path: Path) -> None:
    old = counter_beside(path).read_bytes()
    with closing(opened(path)) as ledger:
        ledger.debit([charge(7)])
        ledger.debit([charge(8)])
        counter_beside(path).write_bytes(old)
        with pytest.raises(LedgerError, match="more than one debit ahead"):
            ledger.debit([charge(9)])
        counter_beside(path).unlink()
        with pytest.raises(LedgerError, match="can't be opened"):
            ledger.debit([charge(9)])


def test_missing_ledger_whose_counter_has_counted_is_refused_and_not_made_anew(path: Path) -> None:
    path.unlink()
    refused(path, "is missing.*counted 6 lines")
    assert not path.exists()


def test_ledger_that_was_never_charged_may_lose_its_counter_or_itself(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    opened(path).close()
    counter_beside(path).unlink()
    opened(path).close()
    path.unlink()
    add(path, 1)


@pytest.mark.parametrize("text", ["", "nonsense", "7 " + 64 * "0" + " 0123456789abcdef\n"])
def test_damaged_counter_is_refused(path: Path, text: str) -> None:
    counter_beside(path).write_text(text)
    with pytest.raises(LedgerError, match=r"counter: is damaged.*adopt"):
        opened(path)


def test_torn_slot_leaves_the_state_before(tmp_path: Path) -> None:
    counter = Counter(tmp_path / "counter")
    counter.create(Head(0, "0" * 64))
    for number in range(1, 6):
        with counter.held() as slots:
            slots.write(Head(number, f"{number}" * 64))
        whole = counter.path.read_bytes()
        place = whole.index(f"{number:020d}".encode())
        for cut in (0, 3, 30, 90, 101):
            spoilt = whole[:place] + whole[place : place + cut].ljust(4096) + whole[place + 4096 :]
            counter.path.write_bytes(spoilt)
            with counter.held() as slots:
                assert slots.read() == Head(number - 1, f"{number - 1}" * 64)
        counter.path.write_bytes(whole)


def test_counter_may_lie_in_another_folder(tmp_path: Path) -> None:
    path, counter = tmp_path / "ledger.sqlite", tmp_path / "other"
    counter.mkdir()
    with closing(opened(path, counter=counter / "anna")) as ledger:
        ledger.debit([charge(1)])
    assert [file.name for file in counter.iterdir()] == ["anna"]
    assert not counter_beside(path).exists()
    opened(path, counter=counter / "anna").close()
    refused(path, "counter .* is missing")


def test_ledger_of_another_site_is_refused(path: Path) -> None:
    with pytest.raises(LedgerError, match="from another site: it belongs to anna, and this is ber"):
        opened(path, "bert")
    with closing(opened(path, None)) as ledger:
        assert ledger.owner == "anna"


def test_counter_held_by_another_process_is_reported(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_file, "LOCK_SECONDS", 0.0)
    locked = pytest.raises(LedgerError, match="counter: has been locked by another process")
    with Counter(counter_beside(path)).held(), locked:
        opened(path)
    opened(path).close()


def faults(path: Path) -> Iterator[str]:
    """Ways to part a ledger and its counter, one after the other, and what is noted of each."""
    counter = counter_beside(path)
    counter.unlink()
    yield "was missing"
    counter.write_text("nonsense")
    yield "is damaged"
    old_ledger, old_counter = path.read_bytes(), counter.read_bytes()
    add(path, 20, 21)
    counter.write_bytes(old_counter)
    yield "ahead of its counter"
    path.write_bytes(old_ledger)
    yield "3 lines of privacy spent are lost"


def test_adopting_makes_a_new_counter_and_writes_it_down(path: Path) -> None:
    for number, fault in enumerate(faults(path), 1):
        with pytest.raises(LedgerError):
            opened(path)
        assert fault in adopt(path, lambda: 8.0)
        with closing(opened(path)) as ledger:
            time, note = ledger.notes()[-1]
            assert time == 8.0
            assert "counter was made anew" in note
            assert fault in note
            assert len(list(ledger.entries("anna"))) >= LINES
        assert adopt(path, lambda: 9.0) == ""
        assert number


def test_broken_chain_is_never_adopted(path: Path) -> None:
    counter_beside(path).unlink()
    with edited(path) as connection:
        connection.execute("UPDATE charge SET line = json_set(line, '$.steps', 1)")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"line 1 .*edited"):
        adopt(path, lambda: 8.0)
    assert path.read_bytes() == before
    assert not counter_beside(path).exists()


def test_note_can_not_be_removed(path: Path) -> None:
    counter_beside(path).unlink()
    adopt(path, lambda: 8.0)
    with edited(path) as connection:
        connection.execute("DELETE FROM charge WHERE number = 7")
    refused(path, "ends at line 6")
