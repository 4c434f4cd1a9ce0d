"""Backups: databases at one moment, all or nothing, and archives that somebody else made."""

import io
import os
import sqlite3
import stat
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.files.backup import restore_backup, write_backup


def everything(_: object) -> bool:
    return True


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / "runs" / "first").mkdir(parents=True)
    (made / "runs" / "first" / "model.onnx").write_bytes(bytes(range(256)) * 100)
    (made / "key").write_bytes(b"secret")
    (made / "half.part").write_bytes(b"unfinished")
    (made / "link").symlink_to("/etc/passwd")
    return made


def test_what_was_backed_up_is_restored_for_its_owner_alone(folder: Path, tmp_path: Path) -> None:
    archive, again = tmp_path / "b.tar.gz", tmp_path / "deep" / "again"
    os.umask(0)
    assert write_backup(folder, archive, everything) == 2
    assert restore_backup(archive, again) == 2
    assert mode(archive) == 0o600
    files = {path.relative_to(again).as_posix() for path in again.rglob("*") if path.is_file()}
    assert files == {"key", "runs/first/model.onnx"}
    for name in files:
        assert (again / name).read_bytes() == (folder / name).read_bytes()
        assert mode(again / name) == 0o600
    assert {mode(path) for path in (again, *again.rglob("*")) if path.is_dir()} == {0o700}


def test_a_database_is_copied_as_it_was_at_one_moment(tmp_path: Path) -> None:
    """While a writer moves a unit from one row to the other, their sum stays what it is."""
    folder, stop = tmp_path / "home", threading.Event()
    folder.mkdir()
    writer = sqlite3.connect(folder / "a.sqlite", check_same_thread=False, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (a INTEGER, b BLOB)")
    for _ in range(2):
        writer.execute("INSERT INTO t VALUES (500, randomblob(200000))")

    def move() -> None:
        while not stop.is_set():
            writer.execute("UPDATE t SET a = a + CASE rowid WHEN 1 THEN 1 ELSE -1 END")

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for number in range(5):
            archive, again = tmp_path / f"{number}.tar.gz", tmp_path / f"again{number}"
            assert write_backup(folder, archive, everything) == 1
            restore_backup(archive, again)
            with closing(sqlite3.connect(again / "a.sqlite")) as found:
                assert found.execute("SELECT sum(a) FROM t").fetchone() == (1000,)
                assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        stop.set()
        thread.join()
        writer.close()


def test_an_existing_file_or_folder_is_left_alone(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar.gz"
    archive.write_bytes(b"mine")
    with pytest.raises(InvalidConfiguration, match="exists already"):
        write_backup(folder, archive, everything)
    assert archive.read_bytes() == b"mine"
    with pytest.raises(InvalidConfiguration, match="exists already"):
        restore_backup(archive, folder)


def test_a_folder_with_nothing_to_keep_leaves_no_archive(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="nothing to back up"):
        write_backup(folder, tmp_path / "b.tar.gz", lambda path: False)
    with pytest.raises(InvalidConfiguration, match="can't be written"):
        write_backup(folder, tmp_path / "no" / "b.tar.gz", everything)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_damaged_archive_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "b.tar.gz"
    write_backup(folder, whole, everything)
    content = whole.read_bytes()
    for spoilt in (content[: len(content) // 2], b"", b"not an archive", content[:-9]):
        (tmp_path / "bad").write_bytes(spoilt)
        with pytest.raises(InvalidConfiguration, match="can't be restored"):
            restore_backup(tmp_path / "bad", tmp_path / "again")
        (tmp_path / "bad").unlink()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz", "home"]


def linked(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../outside"),
        tarfile.TarInfo("a/../../outside"),
        linked("link", "/etc", tarfile.SYMTYPE),
        linked("hard", "/etc/passwd", tarfile.LNKTYPE),
        linked("pipe", "", tarfile.FIFOTYPE),
        linked("device", "", tarfile.CHRTYPE),
    ],
    ids=lambda member: member.name,
)
def test_an_archive_of_somebody_else_writes_nothing_outside(
    member: tarfile.TarInfo, tmp_path: Path
) -> None:
    archive = tmp_path / "b.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(member, io.BytesIO())
    with pytest.raises(InvalidConfiguration, match="can't be restored"):
        restore_backup(archive, tmp_path / "below" / "again")
    assert list((tmp_path / "below").iterdir()) == []
    assert not (tmp_path / "outside").exists()
