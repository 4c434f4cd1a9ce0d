"""Rows that are known to be anomalous: read in many words, for the test alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.errors import InvalidData
from simulate.world import notes_of
from simulate.world.partition import Iid
from tests.support.own_data import world

KIND: dict[str, Any] = {"kind": {"kind": "anomaly"}}


def written(folder: Path, **columns: Any) -> Path:
    path = folder / "own.npz"
    rows = len(next(iter(columns.values())))
    np.savez(path, x=np.arange(rows * 2.0).reshape(rows, 2), **columns)
    return path


@pytest.mark.parametrize(
    "words",
    [
        [0, 0, 1, 0, 0, 0, 0, 0, 0, 1],
        [False, False, True, *[False] * 6, True],
        ["ok", "normal", "Anomaly", "no", "false", "0", "ok", "ok", "ok", "TRUE"],
        [0.0, np.nan, 1.0, 0.0, np.nan, 0.0, 0.0, 0.0, 0.0, 1.0],
        [0, -1, 1, 0, -1, 0, 0, 0, 0, 1],
    ],
    ids=["numbers", "flags", "words", "gaps", "unknown"],
)
def test_anomalies_are_tested_never_trained_on(words: list[Any], tmp_path: Path) -> None:
    made = world(written(tmp_path, y=np.array(words), site=np.zeros(10, int)), **KIND)
    trained, test = made.windows(0), made.test()
    assert not (trained.labels == 1).any()
    assert (test.windows.labels == 1).sum() == 2
    assert sorted(test.windows.values[test.windows.labels == 1][:, 0]) == [4.0, 18.0]
    assert len(trained) + len(test.windows.labels) == 10
    assert any("2 rows are known to be anomalous" in note for note in notes_of(made))


def test_a_split_is_kept_and_what_it_would_train_on_is_left_out(tmp_path: Path) -> None:
    columns = {"y": np.array([0, 1, 0, 1, 0]), "split": np.array([0, 0, 0, 1, 1])}
    made = world(written(tmp_path, **columns, site=np.arange(5) // 3), **KIND)
    assert [made.windows(site).values[:, 0].tolist() for site in range(1)] == [[0.0, 4.0]]
    assert made.test().windows.labels.tolist() == [0, 1]
    assert any("1 are for the test, 1 are left out" in note for note in notes_of(made))


def test_a_rule_divides_the_normal_rows_and_each_site_has_the_anomalies_of_its_own(
    tmp_path: Path,
) -> None:
    y_N = np.arange(40) % 4 == 0
    divided = world(written(tmp_path, y=y_N), 3, Iid(0, None), **KIND)
    assert len(divided.sites) == 3
    assert sum(len(divided.windows(site)) for site in range(3)) == 24
    assert (divided.test().windows.labels == 1).sum() == 10
    one = world(written(tmp_path, y=y_N, site=np.arange(40) // 20), 1, **KIND)
    assert one.test().groups == ("0",)
    assert (one.test().windows.labels == 1).sum() == 5


def test_no_column_of_labels_is_needed_nor_taken(tmp_path: Path) -> None:
    bare = world(written(tmp_path, site=np.zeros(10, int)), **KIND)
    assert set(bare.windows(0).labels.tolist()) == {-1}
    odd = written(tmp_path, y=np.arange(10), site=np.zeros(10, int))
    with pytest.raises(InvalidData, match=r"y '2'.*data\.label=none"):
        world(odd, **KIND)
    ignored = world(odd, **KIND, label="none")
    assert ignored.task.window_shape == (2,)
    assert any("not known" in note for note in notes_of(ignored))
