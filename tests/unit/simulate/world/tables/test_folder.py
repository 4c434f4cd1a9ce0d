"""A folder: one file for each site or part, Spark's pieces, and data sets of Hugging Face."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fl_common.errors import InvalidConfiguration, InvalidData
from simulate.world.tables.opened import open_table
from tests.support.own_data import world

X = np.random.default_rng(0).normal(size=(10, 2)).round(3)


def csv(path: Path, heading: str = "ax,ay,label") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{ax},{ay},{'ab'[row % 2]}" for row, (ax, ay) in enumerate(X.tolist())]
    path.write_text("\n".join([heading, *rows]))


def parquet(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"x": X.tolist(), "label": ["a", "b"] * 5}), path)


def packed(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x=X, label=["a", "b"] * 5)


@pytest.mark.parametrize(
    ("write", "end"), [(csv, ".csv"), (csv, ".CSV"), (parquet, ".parquet"), (packed, ".npz")]
)
def test_a_file_is_a_site_by_its_name(
    tmp_path: Path, write: Callable[[Path], None], end: str
) -> None:
    for name in ("press", "lathe"):
        write(tmp_path / f"{name}{end}")
    (tmp_path / ".hidden").touch()
    (tmp_path / "README.txt").write_text("measured in May\n\nby Ann, and Bob\n")
    own = world(tmp_path)
    assert own.sites == ("lathe", "press")
    assert np.array_equal(own.windows(0).values, X[:8].astype(np.float32))
    assert own.notes[:2] == (
        "1 other files of the folder are left out: README.txt",
        "sites have the names of the files, or of the folders that they lie in",
    )


@pytest.mark.parametrize("place", ["{part}.csv", "{part}/all.csv", "all/{part}.csv"])
def test_files_and_folders_of_parts_are_a_split(tmp_path: Path, place: str) -> None:
    for part in ("train", "test"):
        csv(tmp_path / place.format(part=part))
    own = world(tmp_path, sites=None if "all" in place else 2)
    assert len(own.test().windows) == 10
    assert tuple(own.sites) == (("all",) if "all" in place else ("site-0", "site-1"))


def test_a_folder_below_is_the_site_of_its_files(tmp_path: Path) -> None:
    for place in ("ann/monday.csv", "ann/tuesday.csv", "bob/monday.csv"):
        csv(tmp_path / place)
    own = world(tmp_path)
    assert own.sites == ("ann", "bob")
    assert len(own.windows(0)) == 16


def test_pieces_of_one_table_are_no_sites(tmp_path: Path) -> None:
    for piece in range(2):
        parquet(tmp_path / f"part-0000{piece}-7f3a-c000.snappy.parquet")
    with pytest.raises(InvalidConfiguration, match="has no column that says which site"):
        world(tmp_path)


def test_files_of_other_columns_are_named(tmp_path: Path) -> None:
    csv(tmp_path / "press.csv")
    csv(tmp_path / "lathe.csv", "ax,az,label")
    with pytest.raises(InvalidData, match=r"(lathe|press)\.csv: has no column a[yz], which other"):
        world(tmp_path)


def test_a_file_of_names_joins_one_of_numbers(tmp_path: Path) -> None:
    for name, labels in (("a", "12"), ("b", "1x")):
        rows = [f"{row},{labels[row % 2]}" for row in range(10)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["ax,label", *rows]))
    assert world(tmp_path).task.labels == ("1", "2", "x")


def saved(folder: Path, rows: int = 10, **state: object) -> None:
    """As ``datasets.Dataset.save_to_disk`` writes it."""
    folder.mkdir(parents=True)
    table = pa.table({
        "values": X[:rows].tolist(),
        "label": pa.array([row % 2 for row in range(rows)]),
        "subject": ["ann", "bob"] * (rows // 2),
    })  # fmt: skip
    file = "data-00000-of-00001.arrow"
    with pa.OSFile(str(folder / file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    features = {"label": {"names": ["sit", "walk"], "_type": "ClassLabel"}}
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    whole = {"_data_files": [{"filename": file}], "_split": None, **state}
    (folder / "state.json").write_text(json.dumps(whole))


def test_a_data_set_of_hugging_face(tmp_path: Path) -> None:
    saved(tmp_path / "own")
    own = world(tmp_path / "own")
    assert (own.sites, own.task.labels) == (("ann", "bob"), ("sit", "walk"))
    assert np.array_equal(own.windows(0).values, X[[0, 2, 4, 6]].astype(np.float32))


def test_its_splits_are_parts(tmp_path: Path) -> None:
    for part, rows in (("train", 10), ("test", 4)):
        saved(tmp_path / "own" / part, rows)
    (tmp_path / "own" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    own = world(tmp_path / "own")
    assert [len(own.windows(0)), len(own.test().windows)] == [5, 4]
    assert own.task.labels == ("sit", "walk")


def test_images_that_are_kept_as_files_are_told_what_to_become(tmp_path: Path) -> None:
    images = [{"bytes": b"PNG", "path": None}] * 10
    parquet_of = pa.table({"image": images, "label": [0, 1] * 5})
    pq.write_table(parquet_of, tmp_path / "own.parquet")
    with pytest.raises(InvalidData, match=r"image of type struct.*numpy\.array\(row"):
        world(tmp_path / "own.parquet", sites=2)


@pytest.mark.parametrize(
    "files", [[], None, [{"filename": "../secret.arrow"}], [{"filename": "/etc/x"}], [{}], ["a"]]
)
def test_a_state_that_names_other_files_is_refused(tmp_path: Path, files: object) -> None:
    saved(tmp_path / "own", _data_files=files)
    with pytest.raises(InvalidData, match=r"state\.json: must list the files of the rows"):
        open_table(tmp_path / "own")


@pytest.mark.parametrize("keep", [0, 10, 300, -8])
def test_damaged_rows_are_one_line(tmp_path: Path, keep: int) -> None:
    saved(tmp_path / "own")
    (file,) = (tmp_path / "own").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:keep])
    if keep < 0:  # the mark of the end alone is gone: every row is there
        assert len(open_table(tmp_path / "own")) == 10
        return
    with pytest.raises(InvalidData, match="must hold undamaged Arrow files"):
        open_table(tmp_path / "own")


def test_runs_that_unpack_to_more_than_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.parquet"
    pq.write_table(pa.table({"ax": np.zeros(200_000), "y": np.zeros(200_000, int)}), path)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr("simulate.world.npz.free_bytes", lambda: 1_000_000)
    with pytest.raises(InvalidData, match=r"unpacks to .* GiB of memory are free"):
        open_table(path)
