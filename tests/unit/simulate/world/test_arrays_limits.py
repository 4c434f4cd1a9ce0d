"""Limits of ``task=arrays``: how many labels, names that are declared twice, and memory."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fl_common.errors import InvalidConfiguration, InvalidData
from models import tasks
from tests.support.own_data import world

X_NC = np.arange(45, dtype=np.float64).reshape(15, 3)
Y_N = np.arange(15) % 3
SITES = ["press"] * 5 + ["lathe"] * 10


@pytest.mark.parametrize("y", [Y_N + 94_015, Y_N * 4_000, np.array([2**40] * 15)])
def test_codes_are_not_numbers_of_labels(tmp_path: Path, y: NDArray[np.int64]) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x=X_NC, y=y, site=SITES)
    with pytest.raises(InvalidData, match=r"write these codes as text.*y\.astype\(str\)"):
        world(path)
    np.savez(path, x=X_NC, y=y.astype(str), site=SITES)
    assert len(world(path).task.labels) == len(np.unique(y))


def test_more_labels_than_a_net_has_room_for_are_refused(tmp_path: Path) -> None:
    many = np.arange(10_001)
    path = tmp_path / "own.npz"
    np.savez(path, x=np.zeros((10_001, 2)), y=many, site=np.zeros(10_001, int))
    for y in (many, many.astype(str)):
        np.savez(path, x=np.zeros((10_001, 2)), y=y, site=np.zeros(10_001, int))
        with pytest.raises(InvalidData, match=r"10000, of 10001|10001 labels"):
            world(path)


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"labels": ["sit", "walk", "sit"]}, "world.labels: 'sit': must be the name of one alone"),
        ({"labels": ["sit", " ", "walk"]}, "world.labels: ' '"),
        ({"channels": ["a", "b", "a"]}, "data.channels: 'a'"),
    ],
)
def test_a_name_that_is_declared_twice_is_refused(
    tmp_path: Path, declared: dict[str, Any], says: str
) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x=X_NC, y=Y_N, site=SITES)
    with pytest.raises(InvalidConfiguration, match=says):
        world(path, **declared)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "7", [1.0, float("nan"), 1.0]])
@pytest.mark.parametrize("name", ["center", "scale", "windows_per_reading"])
def test_a_declared_number_that_is_none_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x=X_NC, y=Y_N, site=SITES)
    with pytest.raises(InvalidConfiguration, match=f"world.{name}="):
        world(path, **{name: value})


@pytest.mark.parametrize(
    "name", ["a b/../c", "", " ", "../c", "a..b", "/etc", "a\nb", "x" * 65, "_"]
)
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, x=X_NC, y=Y_N, site=SITES)
    with pytest.raises(InvalidConfiguration, match="letters, digits, spaces, dots"):
        world(path, name=name)
    fields = {**vars(tasks.wearables()), "name": name}
    for made in ("kind", "shape"):
        fields.pop(made)
    with pytest.raises(InvalidConfiguration, match=r"task\.name="):
        tasks.declared(**fields)
    for plain in ("arrays", "Pumpe 7 Süd", "ward-3_b.1"):
        assert world(path, name=plain).task.name == plain


def test_arrays_that_memory_has_no_room_for_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "own.npz", x=np.zeros((1000, 1000)), y=Y_N, site=SITES)
    monkeypatch.setattr("simulate.world.npz.free_bytes", lambda: 1_000_000)
    with pytest.raises(InvalidData, match=r"unpacks to .* GiB of memory are free"):
        world(tmp_path / "own.npz")


@pytest.mark.parametrize("name", ["own.xlsx", "own.json", "own.csv.gz", "own"])
def test_another_kind_of_file_is_told_what_to_become(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as spreadsheet:
        spreadsheet.writestr("[Content_Types].xml", "<Types/>")
    with pytest.raises(InvalidData, match=r"an npz, Parquet or CSV file.*Save as, CSV UTF-8"):
        world(tmp_path / name)
    (tmp_path / name).write_text("[]")
    with pytest.raises(InvalidData, match="an npz, Parquet or CSV file"):
        world(tmp_path / name)
    with (tmp_path / name).open("wb") as file:
        np.savez(file, x=X_NC, y=Y_N, site=SITES)
    assert len(world(tmp_path / name).sites) == 2
