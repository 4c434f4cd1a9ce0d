"""Readings that are not there: refused with both ways out, left out, or the last one holds."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fl_common.errors import InvalidData
from simulate.world.tables.missing import DROP, HOLD, Filled, without_gaps
from tests.support.own_data import world

GAP = np.nan


def filled(x: object, mode: str, center: float | list[float] | None = None) -> Filled:
    values = np.array(x, np.float32)
    return without_gaps("own", values, np.zeros(len(values), bool), mode, center, str)


def test_the_last_reading_of_the_channel_holds_in_its_window() -> None:
    x = [[[1, 5], [GAP, 6], [GAP, GAP], [4, 8]], [[GAP, 1], [2, 1], [3, np.inf], [4, 1]]]
    found = filled(x, HOLD)
    assert found.x[0].tolist() == [[1, 5], [1, 6], [1, 6], [4, 8]]
    assert found.x[1].tolist() == [[2, 1], [2, 1], [3, 1], [4, 1]]
    assert found.kept_N.all()
    infinite, note = found.notes
    assert infinite == "1 infinite reading taken for missing"
    assert note.startswith("data.missing=hold: in 2 of 2 rows the channel's last one in the window")
    assert note.endswith("5 in all")


def test_a_window_without_any_reading_of_a_channel_is_left_out() -> None:
    found = filled([[[1, GAP], [GAP, GAP]], [[1, 1], [1, GAP]]], HOLD)
    assert found.kept_N.tolist() == [False, True]
    assert found.notes[1].startswith("data.missing=hold: 1 of 2 rows are left out")


@pytest.mark.parametrize(("center", "stands_in"), [(None, 0.0), (3.0, 3.0), ([7.0, 8.0], 8.0)])
def test_of_features_the_declared_centre_stands_in(
    center: float | list[float] | None, stands_in: float
) -> None:
    found = filled([[1, GAP], [3, 4]], HOLD, center)
    assert found.x.tolist() == [[1, stands_in], [3, 4]]
    assert "world.center (0 where null)" in found.notes[0]


def test_rows_are_left_out_and_counted() -> None:
    found = filled([[1, GAP], [3, 4], [GAP, GAP]], DROP)
    assert found.kept_N.tolist() == [False, True, False]
    assert found.notes == (
        "data.missing=drop: 2 of 3 rows are left out, which lack 3 readings, a label or a site",
    )


WINDOWS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=4, max_side=4),
    elements=st.sampled_from([1.0, 2.0, GAP, np.inf, -3.5]),
)


@given(WINDOWS, st.sampled_from([DROP, HOLD]))
def test_what_stays_is_finite_and_depends_on_its_own_row_alone(x: np.ndarray, mode: str) -> None:
    none_N = np.zeros(len(x), bool)
    found = without_gaps("own", x, none_N, mode, None, str)
    assert np.isfinite(found.x[found.kept_N]).all()
    there = np.isfinite(x)
    assert np.array_equal(found.x[there], x[there])
    for row in range(len(x)):
        alone = without_gaps("own", x[row : row + 1], none_N[:1], mode, None, str)
        assert alone.kept_N[0] == found.kept_N[row]
        assert not alone.kept_N[0] or np.array_equal(alone.x[0], found.x[row])


def table(folder: Path, gap: str = "") -> Path:
    rows = [f"{row},{row % 3},{'sit' if row % 2 else 'lie'},{'ab'[row // 10]}" for row in range(20)]
    rows[3] = f"{gap},1,sit,a"
    rows[14] = "5,6,,b"
    rows[15] = "5,6,lie,"
    (folder / "own.csv").write_text("\n".join(["ax,ay,y,site", *rows]))
    return folder / "own.csv"


@pytest.mark.parametrize("gap", ["", "NaN", "NA", "n/a", "null", "?"])
def test_a_table_with_gaps_is_read_in_either_way(tmp_path: Path, gap: str) -> None:
    path = table(tmp_path, gap)
    with pytest.raises(InvalidData) as refused:
        world(path)
    assert "3 of 20 rows (first: line 5): lack 1 reading (NaN or empty)" in str(refused.value)
    assert "the label or the site of 2 rows" in str(refused.value)
    assert "data.missing=drop" in refused.value.remedy
    assert "data.missing=hold" in refused.value.remedy
    sizes = {}
    for mode in (DROP, HOLD):
        own = world(path, missing=mode)
        sizes[mode] = sum(len(own.windows(i)) for i in range(2)) + len(own.test().windows)
        assert own.task.labels == ("lie", "sit")
        assert own.notes
    assert sizes == {DROP: 17, HOLD: 18}


@pytest.mark.parametrize("odd", [GAP, np.inf])
@pytest.mark.parametrize("mode", ["refuse", DROP, HOLD])
def test_a_channel_without_a_finite_reading_is_named(tmp_path: Path, odd: float, mode: str) -> None:
    x = np.ones((20, 8, 3), np.float32)
    x[..., 1] = odd
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(20) % 2, site=np.arange(20) // 10)
    with pytest.raises(InvalidData, match="channel c1: must have a reading in some row"):
        world(tmp_path / "own.npz", missing=mode)


@pytest.mark.parametrize("form", ["csv", "npz", "parquet"])
@pytest.mark.parametrize("odd", [GAP, np.inf])
def test_a_column_without_a_finite_number_is_left_out_and_said(
    tmp_path: Path, form: str, odd: float
) -> None:
    columns = {"ax": np.arange(20) / 3, "ay": np.full(20, odd), "site": np.arange(20) // 10}
    columns["y"] = np.arange(20) % 2
    path = tmp_path / f"own.{form}"
    if form == "csv":
        rows = np.stack([*columns.values()], axis=1)
        np.savetxt(path, rows, "%.6g", ",", header=",".join(columns), comments="")
    elif form == "npz":
        np.savez(path, **columns)  # type: ignore[arg-type]
    else:
        pq.write_table(pa.table({n: pa.array(c) for n, c in columns.items()}), path)
    own = world(path)
    assert own.task.channels == ("ax",)
    assert "left out, as without a finite number or a text: ay" in own.notes
    with pytest.raises(InvalidData, match="channel ay: must have a reading in some row"):
        world(path, channels=["ax", "ay"])


def test_what_is_infinite_is_told_apart(tmp_path: Path) -> None:
    path = table(tmp_path, "inf")
    with pytest.raises(InvalidData, match="hold 1 infinite reading and lack the label"):
        world(path)
    assert "1 infinite reading taken for missing" in world(path, missing=DROP).notes
