"""A folder is watched by what its files contain."""

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from simulate.functions.watching import changes


def test_a_change_of_content_is_told_once_and_a_touched_file_is_none(tmp_path: Path) -> None:
    file = tmp_path / "function.py"
    file.write_text("one")
    edits: list[Callable[[], object]] = [
        lambda: None,
        lambda: os.utime(file, (1, 1)),
        lambda: file.write_text("tw"),
        lambda: file.write_text("two"),
        lambda: None,
    ]
    looks = []

    def wait(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) <= len(edits):
            edits[len(looks) - 1]()

    seen = [file.read_text() for _ in islice(changes(tmp_path, wait), 2)]
    assert seen == ["one", "two"], "what is being saved is not taken"


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    def interrupted(seconds: float) -> None:
        if seconds:
            raise KeyboardInterrupt

    assert len(list(changes(tmp_path, interrupted))) == 1
