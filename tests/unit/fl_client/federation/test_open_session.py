"""A session that was left open is known where it was opened, and nowhere else."""

import shutil
from pathlib import Path

import pytest

from fl_client.federation.open_session import FILE, OpenSession


def test_a_session_is_known_until_it_is_closed(tmp_path: Path) -> None:
    session = OpenSession(tmp_path / FILE)
    assert session.node() is None
    session.opened(2**63 + 7)
    assert OpenSession(tmp_path / FILE).node() == 2**63 + 7
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    session.closed()
    session.closed()
    assert session.node() is None


def test_a_copy_of_the_folder_has_none(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    OpenSession(tmp_path / "box" / FILE).opened(1)
    shutil.copytree(tmp_path / "box", tmp_path / "copy")
    assert OpenSession(tmp_path / "copy" / FILE).node() is None
    (tmp_path / "box").rename(tmp_path / "moved")
    assert OpenSession(tmp_path / "moved" / FILE).node() == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"node": "x", "place": []}'])
def test_a_damaged_note_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert OpenSession(tmp_path / FILE).node() is None
