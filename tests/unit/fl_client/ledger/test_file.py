"""The ledger's file: how it is made, and what is refused in its place."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fl_client.ledger import file as ledger_file
from fl_client.ledger.ledger import Charge, Ledger
from fl_common.errors import LedgerError
from tests.support.samples import WINDOW_PRIVACY

PRIVACY = replace(WINDOW_PRIVACY, epsilon_limit=1000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(path, lambda: 7.0, "anna")
    yield opened
    opened.close()


def charge(*blocks: str, site: str = "anna", round_: int = 1) -> Charge:
    blocks = blocks or ("monday",)
    return Charge(site, "run", round_, "digest", PRIVACY, blocks, False)


def test_new_ledger_leaves_no_other_file_and_is_private(path: Path, ledger: Ledger) -> None:
    assert {file.name for file in path.parent.iterdir()} <= {
        path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}.counter"
    }  # fmt: skip
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_a_commit_is_synced_before_it_returns(path: Path, ledger: Ledger) -> None:
    """In WAL mode that takes SQLite's synchronous=FULL, which is 2."""
    del ledger
    with closing(ledger_file.open_checked(path)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def fails(path: Path, match: str) -> None:
    with pytest.raises(LedgerError, match=match) as caught:
        Ledger(path, lambda: 0.0, "anna")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_file_is_a_cut_off_ledger_not_a_new_one(path: Path) -> None:
    path.touch()
    fails(path, "cut off.*forget what was spent")


def test_truncated_ledger_is_refused(path: Path, ledger: Ledger) -> None:
    ledger.debit([charge(*map(str, range(40)), round_=round_) for round_ in range(20)])
    ledger.close()
    whole = path.read_bytes()
    for share in (0.1, 0.4, 0.7, 0.95):
        path.write_bytes(whole[: int(len(whole) * share)])
        fails(path, "damaged|can't be")


def test_other_files_are_refused(path: Path) -> None:
    path.write_text("no database at all, but long enough to be read as one\n" * 100)
    fails(path, "not a privacy ledger")
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE charge (site)")
    fails(path, "not a privacy ledger")


def test_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    fails(tmp_path / "nowhere" / "ledger.sqlite", "can't be opened")


def test_lock_by_another_process_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_file, "LOCK_SECONDS", 0.0)
    ledger = Ledger(path, lambda: 0.0, "anna")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="locked by another process"):
        ledger.debit([charge()])
    holder.execute("ROLLBACK")
    assert ledger.debit([charge()]) == [("monday",)]
    holder.close()


def test_full_disk_charges_nobody_and_the_ledger_goes_on_later(ledger: Ledger) -> None:
    connection = ledger._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    many = [charge(*(f"block {i}" for i in range(500)), site=f"site {n}") for n in range(3)]
    with pytest.raises(LedgerError, match="disk is full"):
        ledger.debit([charge("small"), *many])
    assert list(ledger.entries("anna")) == []
    connection.execute("PRAGMA max_page_count = 100000")
    assert ledger.debit([charge("small")]) == [("small",)]


def test_read_only_connection_is_reported(ledger: Ledger) -> None:
    ledger._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(LedgerError, match="read-only"):
        ledger.debit([charge()])


def test_ledger_replaced_while_in_use_is_noticed(path: Path, ledger: Ledger) -> None:
    path.rename(path.with_name("moved"))
    with pytest.raises(LedgerError, match="can't be opened"):
        ledger.debit([charge()])
    Ledger(path, lambda: 0.0, "anna").close()
    with pytest.raises(LedgerError, match="replaced"):
        ledger.debit([charge()])
