"""Files are whole or absent, on disk with their folder, and private from their first byte."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fl_common.files.whole import OWNER_ONLY, PART, make_folder, move_whole, whole_path, write_whole
from tests.support.disk import fill, small_disk
from tests.support.sources import ROOT

KILLED = """
import os, signal, sys
from pathlib import Path
from fl_common.files.whole import write_whole

def killed(self, target):
    os.kill(os.getpid(), signal.SIGKILL)

Path.replace = killed
write_whole(Path(sys.argv[1]), b"after")
"""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced and renamed, in order; a synced thing by the inode of its descriptor."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append(f"sync {os.fstat(descriptor).st_ino}")
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> Path:
        done.append(f"rename {source.stat().st_ino}")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    return done


def test_a_process_killed_before_the_rename_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"before"
    left = [other for other in tmp_path.iterdir() if other != path]
    assert [other.read_bytes() for other in left] == [b"after"]
    assert left[0].name.startswith(".file.")
    assert left[0].suffix == PART
    write_whole(path, b"later")
    assert path.read_bytes() == b"later"


def test_the_file_is_synced_then_renamed_then_its_folder_is_synced(
    tmp_path: Path, steps: list[str]
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"content")
    file, folder = path.stat().st_ino, tmp_path.stat().st_ino
    assert steps == [f"sync {file}", f"rename {file}", f"sync {folder}"]


def test_a_new_folder_is_synced_in_the_one_above_it(tmp_path: Path, steps: list[str]) -> None:
    make_folder(tmp_path / "one" / "two", 0o700)
    above = [tmp_path / "one", tmp_path]
    assert steps == [f"sync {folder.stat().st_ino}" for folder in above]
    assert stat.S_IMODE((tmp_path / "one" / "two").stat().st_mode) == 0o700
    make_folder(tmp_path / "one" / "two")
    assert len(steps) == len(above)


def test_what_is_moved_has_both_folders_synced(tmp_path: Path, steps: list[str]) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    (old / "file").write_bytes(b"content")
    move_whole(old / "file", new / "name")
    assert steps[1:] == [f"sync {folder.stat().st_ino}" for folder in (new, old)]
    assert (new / "name").read_bytes() == b"content"


@pytest.mark.parametrize(("mode", "shown"), [(OWNER_ONLY, 0o600), (0o644, 0o644)])
def test_a_file_has_its_mode_before_its_first_byte(tmp_path: Path, mode: int, shown: int) -> None:
    with whole_path(tmp_path / "key", mode) as part:
        assert part.stat().st_size == 0
        assert stat.S_IMODE(part.stat().st_mode) == shown
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == shown


def test_a_new_file_never_replaces_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_whole(path, b"first", new=True)
    with pytest.raises(FileExistsError, match="key"):
        write_whole(path, b"second", new=True)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def fails(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "full",
    [
        lambda patch: patch.setattr(os, "fsync", fails),
        lambda patch: patch.setattr(Path, "replace", fails),
    ],
)
def test_a_full_disk_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Callable[[pytest.MonkeyPatch], None]
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"before")
    full(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_file_that_was_meant(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        fill(disk / "filler")
        with pytest.raises(OSError, match=f"No space left on device: '{disk}/file'"):
            write_whole(disk / "file", b"content")
        assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_part_that_can_t_be_made_is_told_by_the_name_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with (
        pytest.raises(OSError, match=f"'{tmp_path}/none/file'"),
        whole_path(tmp_path / "none" / "file"),
    ):
        pass
