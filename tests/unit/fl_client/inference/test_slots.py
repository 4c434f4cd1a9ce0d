"""A slot on disk: what a power cut, a full disk or a damaged file leaves."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fl_client.inference.slots import ModelSlot
from fl_common.errors import InvalidConfiguration, InvalidData
from tests.support.model_files import published


@pytest.fixture
def slot(tmp_path: Path) -> ModelSlot:
    return ModelSlot(tmp_path / "slot")


def place(slot: ModelSlot, answer: int) -> str:
    return slot.place(published(slot.folder.parent / f"{answer}.onnx", answer))


def versions(slot: ModelSlot) -> set[str]:
    return {path.name for path in (slot.folder / "versions").iterdir()}


def test_a_placed_version_is_named_by_its_digest_and_does_not_run(slot: ModelSlot) -> None:
    digest = place(slot, 0)
    content = (slot.folder.parent / "0.onnx").read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    assert slot.read(digest) == content
    assert slot.current() is None
    assert slot.last_good() is None


def test_an_activated_version_is_wanted_and_only_what_ran_is_good(slot: ModelSlot) -> None:
    first, second = place(slot, 0), place(slot, 1)
    slot.activate(first)
    assert (slot.current(), slot.last_good()) == (first, None)
    slot.confirm(first)
    slot.activate(place(slot, 1))
    assert (slot.current(), slot.last_good()) == (second, first)
    slot.confirm(second)
    slot.confirm(second)
    assert (slot.last_good(), slot.previous()) == (second, first)


def test_a_bad_version_is_not_the_last_good_one(slot: ModelSlot) -> None:
    first = place(slot, 0)
    slot.activate(first)
    slot.confirm(first)
    second = place(slot, 1)
    slot.activate(second)
    slot.confirm(second)
    slot.mark_bad(second, "NaN")
    assert slot.last_good() == first
    assert slot.failure(second) == "NaN"
    assert ModelSlot(slot.folder).failure(second) == "NaN"
    slot.activate(second)
    assert slot.failure(second) is None


def test_versions_that_nothing_names_are_removed(slot: ModelSlot) -> None:
    digests = []
    for answer in range(3):
        digests.append(place(slot, answer))
        slot.activate(digests[-1])
        slot.confirm(digests[-1])
    unused = place(slot, 0)
    assert unused == digests[0]
    slot.activate(digests[2])
    assert versions(slot) == {digests[1], digests[2]}


def test_a_version_that_is_not_there_is_not_activated(slot: ModelSlot) -> None:
    digest = place(slot, 0)
    slot.activate(digest)
    for wrong in ("0" * 64, "../../etc", ""):
        with pytest.raises(InvalidData, match=r"is not in .*Place the file first"):
            slot.activate(wrong)
    assert slot.current() == digest


def test_a_cut_file_is_told_and_healed_by_placing_it_again(slot: ModelSlot) -> None:
    digest = place(slot, 0)
    file = slot.folder / "versions" / digest / "model.onnx"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InvalidData, match=r"is cut or changed.*Place the version"):
        slot.read(digest)
    place(slot, 0)
    slot.read(digest)


@pytest.mark.parametrize("text", ["", "half of a dig", "\x00" * 64, "../versions"])
def test_a_spoilt_pointer_is_as_an_absent_one(slot: ModelSlot, text: str) -> None:
    (slot.folder / "current").write_text(text)
    assert slot.current() is None


def test_a_full_disk_changes_nothing(slot: ModelSlot, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = place(slot, 0)
    slot.activate(digest)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidConfiguration, match=r"No space left on device.*Free space"):
        place(slot, 1)
    with pytest.raises(InvalidConfiguration, match="No space left"):
        slot.activate(digest)
    assert slot.current() == digest
    assert [path.name for path in slot.folder.rglob(".*")] == []


def test_a_file_that_is_absent_is_not_placed(slot: ModelSlot, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="can't be read"):
        slot.place(tmp_path / "absent.onnx")


KILLED = """
import os, signal, sys
from pathlib import Path
from fl_client.inference.slots import ModelSlot

slot = ModelSlot(Path(sys.argv[1]))
left = int(sys.argv[3])
fsync = os.fsync

def counted(descriptor):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    fsync(descriptor)

os.fsync = counted
slot.activate(slot.place(Path(sys.argv[2])))
slot.confirm(slot.current())
"""


def test_killed_at_any_sync_the_slot_names_a_whole_version(slot: ModelSlot, tmp_path: Path) -> None:
    """Between placing and activating, too: the old version stays the wanted one."""
    old = place(slot, 0)
    slot.activate(old)
    slot.confirm(old)
    path = published(tmp_path / "new.onnx", 1)
    new = hashlib.sha256(path.read_bytes()).hexdigest()
    wanted = []
    for syncs in range(20):
        command = [sys.executable, "-c", KILLED, str(slot.folder), str(path), str(syncs)]
        status = subprocess.run(command, check=False).returncode
        current, good = slot.current(), slot.last_good()
        assert current in (old, new)
        assert current is not None
        assert good in (old, new)
        assert good is not None
        slot.read(current)
        slot.read(good)
        wanted.append(current)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert wanted[:3] == [old] * 3
    assert wanted[-1] == new
    assert list(slot.folder.glob("versions/*/.*")) == []
