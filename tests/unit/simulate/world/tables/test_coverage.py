"""Labels without rows, or without rows to train on, are said when the data are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.own_data import world

N = 40


def notes(folder: Path, y: object, split: object = None, **declared: Any) -> list[str]:
    columns = {"x": np.ones((N, 3)), "y": np.array(y), "site": np.arange(N) % 2}
    if split is not None:
        columns["split"] = np.array(split)
    np.savez(folder / "own.npz", **columns)  # type: ignore[arg-type]
    return [note for note in world(folder / "own.npz", **declared).notes if "label" in note]


def test_labels_that_all_train_need_no_word(tmp_path: Path) -> None:
    assert notes(tmp_path, [0, 1, 2, 3] * 10) == []


@pytest.mark.parametrize(
    ("y", "says"),
    [
        ([0, 2, 9, 9] * 10, "no row has 7 of 10 labels (1, 3, 4, 5, 6, ...)"),
        ([0, 0, 2, 2] * 10, "no row has 1 of 3 labels (1): the network has an output"),
        (["sit"] * N, "sit is the only label that a row has"),
    ],
)
def test_holes_and_one_label_alone_are_said(tmp_path: Path, y: list[object], says: str) -> None:
    assert [note for note in notes(tmp_path, y) if note.startswith(says)]


def test_a_declared_label_without_a_row_is_said(tmp_path: Path) -> None:
    (note,) = notes(tmp_path, ["a", "b"] * 20, labels=["a", "b", "c"])
    assert note.startswith("no row has 1 of 3 labels (c)")


def test_a_label_that_nobody_trains_is_said(tmp_path: Path) -> None:
    (note,) = notes(tmp_path, [0, 1, 2, 2] * 10, split=[0, 0, 1, 1] * 10)
    assert note.startswith("no row for training has 1 of 3 labels (2)")
