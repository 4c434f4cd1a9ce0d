"""Files of other tools as they write them: Arrow, pandas, Spark, spreadsheets, numpy elsewhere."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fl_common.errors import InvalidConfiguration, InvalidData
from simulate.world.arrays import Arrays
from tests.support.own_data import world

X_NC = np.arange(45, dtype=np.float64).reshape(15, 3) / 4 - 3
Y_N = np.arange(15) % 3
SITES = ["press"] * 5 + ["lathe"] * 10
CHANNELS = ("ax", "ay", "az")
AWKWARD = "run=3, a [b] (c) \N{LATIN SMALL LETTER E WITH ACUTE}"


def written(folder: Path, name: str = "own.parquet", **columns: Any) -> Path:
    """A Parquet file of lists, with ``columns`` instead of its own."""
    lists = pa.array(X_NC.tolist(), pa.list_(pa.float64()))
    path = folder / name
    pq.write_table(pa.table({"x": lists, "y": Y_N, "site": SITES, **columns}), path)
    return path


def table(folder: Path, **columns: Any) -> Path:
    """A Parquet file with a column for each channel, and ``columns``."""
    channels = dict(zip(CHANNELS, X_NC.T, strict=True))
    path = folder / "own.parquet"
    pq.write_table(pa.table({**channels, "y": Y_N, "site": SITES, **columns}), path)
    return path


def lines(point: str, separator: str) -> list[str]:
    """The rows of a CSV file, as pandas' ``to_csv`` and Excel write them."""
    rows = [
        [*(repr(float(v)).replace(".", point) for v in x), str(y), site]
        for x, y, site in zip(X_NC, Y_N, SITES, strict=True)
    ]
    return [separator.join(row) for row in [[*CHANNELS, "y", "site"], *rows]]


def assert_whole(own: Arrays, labels: tuple[str, ...] = ("0", "1", "2")) -> None:
    """It has every row of this file's arrays, at its own site, under its own label."""
    assert own.sites == ("lathe", "press")
    assert own.task.labels == labels
    assert own.windows(0).values.tolist() == X_NC[5:13].tolist()
    assert own.windows(1).values.tolist() == X_NC[:4].tolist()
    assert own.windows(0).labels.tolist() == Y_N[5:13].tolist()
    assert own.test().windows.values.tolist() == X_NC[[13, 14, 4]].tolist()


def lists(kind: pa.DataType, of: Callable[..., pa.DataType] = pa.list_) -> pa.Array:
    values = X_NC.astype(np.float16) if kind == pa.float16() else X_NC
    return pa.array([list(row) for row in values], of(kind))


@pytest.mark.parametrize(
    "columns",
    [
        {"site": pa.array(SITES).dictionary_encode()},
        {"y": pa.array(Y_N).dictionary_encode()},
        {"site": pa.array(SITES, pa.large_string()), "x": lists(pa.float32(), pa.large_list)},
        {"site": pa.array(SITES, pa.string_view())},
        {"site": pa.array([site.encode() for site in SITES], pa.binary())},
        {"site": pa.array([site.encode() for site in SITES], pa.large_binary())},
        {"site": pa.array([f"{site:9}" for site in SITES])},  # CHAR(9) of a database
        {"x": lists(pa.float16())},
        {"x": lists(pa.float64()).cast(pa.list_(pa.decimal128(9, 3)))},
        {"x": pa.FixedShapeTensorArray.from_numpy_ndarray(X_NC)},
        {"y": pa.array(Y_N.astype(float))},  # pandas, where the column once had a gap
        {"y": pa.array(Y_N, pa.int8())},
        {"y": pa.array(Y_N.astype(np.uint64))},
    ],
    ids=lambda columns: "-".join(f"{name}:{type(one).__name__}" for name, one in columns.items()),
)
def test_columns_of_any_arrow_type_are_read_right(tmp_path: Path, columns: dict[str, Any]) -> None:
    assert_whole(world(written(tmp_path, **columns)))


def test_windows_may_be_tensors_or_true_and_false(tmp_path: Path) -> None:
    x_NTC = np.arange(90.0).reshape(15, 2, 3)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(x_NTC)
    assert world(written(tmp_path, x=tensors)).windows(0).values.tolist() == x_NTC[5:13].tolist()
    own = world(written(tmp_path, x=pa.array((X_NC > 1).tolist()), y=pa.array(Y_N > 0)))
    assert own.windows(1).values.tolist() == (X_NC > 1)[:4].tolist()
    assert own.windows(1).labels.tolist() == (Y_N > 0)[:4].tolist()


def test_a_tables_columns_are_channels_by_their_names(tmp_path: Path) -> None:
    for path in (
        table(tmp_path),
        table(tmp_path, __index_level_0__=np.arange(15)),
    ):
        own = world(path)
        assert_whole(own)
        assert own.task.channels == CHANNELS


def test_declared_channels_choose_among_a_tables_columns(tmp_path: Path) -> None:
    path = table(tmp_path, operator=["Jo"] * 15)
    own = world(path, channels=["az", "ax"])
    assert own.task.channels == ("az", "ax")
    assert own.windows(1).values.tolist() == X_NC[:4, [2, 0]].tolist()
    whole = world(path)
    assert whole.task.channels == CHANNELS
    assert whole.notes == ("left out, as not numbers: operator",)
    with pytest.raises(InvalidConfiguration, match=r"channels with 'speed'.* ax, ay, az, operator"):
        world(path, channels=["speed"])


def test_a_folder_as_spark_writes_it_is_one_file(tmp_path: Path) -> None:
    rows = pq.read_table(written(tmp_path))
    folder = tmp_path / f"{AWKWARD}.parquet"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    (folder / "._SUCCESS.crc").touch()
    for part, first in enumerate((0, 7)):
        name = f"part-0000{part}-7f3a-c000.snappy.parquet"
        pq.write_table(rows.slice(first, 8 if first else 7), folder / name)
    assert_whole(world(folder))


def test_a_folder_that_is_divided_by_site_has_that_column(tmp_path: Path) -> None:
    pq.write_to_dataset(pq.read_table(written(tmp_path)), tmp_path / "own", partition_cols=["site"])
    assert_whole(world(tmp_path / "own"))


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".csv"])
def test_a_path_may_have_any_characters(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / AWKWARD
    folder.mkdir()
    path = folder / f"{AWKWARD}{suffix}"
    if suffix == ".npz":
        np.savez(path, x=X_NC, y=Y_N, site=SITES)
    elif suffix == ".csv":
        path.write_text("\n".join(lines(".", ",")))
    else:
        written(folder, path.name)
    assert_whole(world(path))


def as_it_is(text: str) -> bytes:
    return text.encode()


@pytest.mark.parametrize(
    ("separator", "point", "end", "encoded"),
    [
        (",", ".", "\n", as_it_is),
        (",", ".", "\r\n", lambda text: text.encode("utf-8-sig")),
        (";", ",", "\r\n", lambda text: text.encode("utf-8-sig")),
        (";", ".", "\r\n", as_it_is),
        ("\t", ",", "\r\n", lambda text: text.encode("utf-16")),
        (";", ",", "\r\n", lambda text: f"sep=;\r\n{text}".encode()),
        (",", ".", "\r", as_it_is),
        (",", ".", "\n", lambda text: text.replace("press", '"press"').encode()),
        (",", ".", "\n", lambda text: f"\n{text}\n\n , ,,,\n".encode()),
        (";", ",", "\r\n", lambda text: text.replace("\r\n", ";;\r\n").encode()),
        (",", ".", "\n", lambda text: text.replace(",0,", ",0.0,").encode()),
    ],
)
def test_csv_of_pandas_and_spreadsheets_is_read_right(
    tmp_path: Path, separator: str, point: str, end: str, encoded: Callable[[str], bytes]
) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(encoded(end.join([*lines(point, separator), ""])))
    own = world(path)
    assert_whole(own)
    assert own.task.channels == CHANNELS


def test_a_number_with_a_zero_before_it_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    text = "\n".join(lines(".", ",")).replace("press", "007").replace("lathe", "08")
    path.write_text(text)
    assert world(path).sites == ("007", "08")


def replaced(old: str, new: str) -> Callable[[str], bytes]:
    return lambda text: text.replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("encoded", "says"),
    [
        (replaced("-3.0", "1_000"), "ax of line 2, '1_000': must be a number"),
        (replaced("-2.75", ""), "lack 1 reading "),
        (replaced("-2.5", "nan"), "lack 1 reading "),
        (replaced("-3.0", '"-3,0"'), "'-3,0': must be a number"),
        (replaced("press", ""), "lack the label or the site of 1 rows"),
        (
            replaced("press", "press,5"),
            "line 2 with 6 values: must have as many as the heading has names, 5",
        ),
        (replaced("ax,", ","), r"column 1: has no name.*data\.channels=\["),
        (replaced("ay", "ax"), "column 'ax': is there twice"),
        (lambda text: text.encode().replace(b"press", b"pr\xe9ss"), "UTF-8.*Save as, CSV UTF-8"),
        (lambda _: b"y,site\n0,a\n", "has no column for a channel"),
        (lambda _: b"", "has no row below its heading"),
        (lambda text: text.split("\n")[0].encode(), "has no row below its heading"),
        (lambda text: text.replace(",", ";").replace("-3.0", "1.234,5", 1).encode(), "1.234,5"),
    ],
)
def test_csv_that_can_be_read_in_two_ways_is_refused(
    tmp_path: Path, encoded: Callable[[str], bytes], says: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(encoded("\n".join(lines(".", ","))))
    with pytest.raises(InvalidData, match=says):
        world(path)


def test_numpy_of_another_machine_or_language_is_read_right(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    for x, y, site in (
        (X_NC.astype(">f8"), Y_N.astype(">i4"), np.array(SITES).astype(">U9")),
        (X_NC.astype(np.float16), Y_N.astype(float), np.array(SITES, "S")),
        (np.asfortranarray(X_NC), Y_N.astype(np.uint8), np.array(SITES)),
    ):
        np.savez_compressed(path, x=x, y=y, site=site)
        assert_whole(world(path))


def test_a_sites_number_is_never_negative(tmp_path: Path) -> None:
    numbers = np.array([2**63 + 5, 2**64 - 1, 7], np.uint64)[np.arange(15) // 5]
    np.savez(tmp_path / "own.npz", x=X_NC, y=Y_N, site=numbers)
    expected = ("7", "9223372036854775813", "18446744073709551615")
    assert world(tmp_path / "own.npz").sites == expected
    assert world(written(tmp_path, site=pa.array(numbers))).sites == expected


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"y": pa.array([None, *Y_N[1:].tolist()])}, "lack the label or the site of 1 rows"),
        ({"y": pa.array([math.nan, *Y_N[1:].tolist()])}, "label or the site of 1 rows"),
        ({"y": pa.array([2**64 - 1] * 15, pa.uint64())}, "y 18446744073709551615"),
        ({"x": pa.array([[{"a": 1}]] * 15)}, "x of type struct.*lists of numbers"),
        ({"x": pa.array([{"type": 1, "values": [1.0]}] * 15)}, "Spark ML.*vector_to_array"),
        ({"x": pa.array([[("a", 1.0)]] * 15, pa.map_(pa.string(), pa.float64()))}, "type map"),
        ({"x": pa.array([["1.0", "2.0"]] * 15)}, "must be numbers"),
        ({"site": pa.array([b"\xff"] * 15)}, "site: is no text in UTF-8"),
        ({"site": pa.array([1] * 15, pa.timestamp("us"))}, "must be one whole number or text"),
        ({"site": pa.array([None] * 15)}, "the site of 15 rows"),
    ],
)
def test_what_can_only_be_guessed_is_refused(
    tmp_path: Path, columns: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidData, match=says):
        world(written(tmp_path, **columns))
