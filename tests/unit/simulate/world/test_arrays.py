"""Bring your own data: npz and Parquet, what is derived, what is declared, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from fl_common.errors import InvalidConfiguration, InvalidData
from tests.support.own_data import world

Data = dict[str, Any]
Damage = Callable[[Data], object]
SITES = ["b"] * 5 + ["a"] * 11 + ["b"] * 5 + ["c"] * 4


def data(shape: tuple[int, ...] = (8, 3)) -> Data:
    generator = np.random.default_rng(0)
    return {
        "x": generator.normal(size=(25, *shape)),
        "y": np.arange(25) % 3,
        "site": np.array(SITES),
    }


def saved(folder: Path, content: Data) -> Path:
    np.savez(folder / "own.npz", **content)
    return folder / "own.npz"


def saved_as_parquet(folder: Path, content: Data, fixed: bool = False) -> Path:
    columns = {name: nested(values, fixed) for name, values in content.items()}
    pq.write_table(pa.table(columns), folder / "own.parquet", row_group_size=7)
    return folder / "own.parquet"


def nested(values: NDArray[Any], fixed: bool) -> pa.Array:
    if not fixed or values.ndim == 1:
        return pa.array(values.tolist())
    array = pa.array(values.ravel())
    for size in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def rows_of(site: str) -> NDArray[np.int64]:
    return np.flatnonzero(np.array(SITES) == site)


def test_without_a_split_the_last_fifth_of_each_site_is_held_out(tmp_path: Path) -> None:
    own = world(saved(tmp_path, data()))
    assert own.sites == ("a", "b", "c")
    kept = {"a": 9, "b": 8, "c": 4}  # of 11, 10 and 4 rows
    for index, site in enumerate(own.sites):
        rows = rows_of(site)[: kept[site]]
        assert np.array_equal(own.windows(index).values, data()["x"][rows].astype(np.float32))
        assert np.array_equal(own.windows(index).labels, data()["y"][rows])
    held_out = np.concatenate([rows_of("a")[9:], rows_of("b")[8:]])
    assert own.test().groups == ("a", "b")
    assert own.test().group_of.tolist() == [0, 0, 1, 1]
    assert np.array_equal(own.test().windows.labels, data()["y"][held_out])


def test_rows_that_share_readings_with_held_out_ones_are_left_out(tmp_path: Path) -> None:
    own = world(saved(tmp_path, data()), windows_per_reading=3)
    assert [len(own.windows(index)) for index in range(3)] == [7, 6, 4]
    assert np.array_equal(own.windows(0).labels, data()["y"][rows_of("a")[:7]])
    assert len(own.test().windows) == 4


def test_sites_that_are_left_out_leave_the_test_set_too(tmp_path: Path) -> None:
    few = world(saved(tmp_path, data()), sites=1)
    assert few.sites == few.test().groups == ("a",)
    assert np.array_equal(few.test().windows.labels, data()["y"][rows_of("a")[9:]])


@pytest.mark.parametrize(
    "words",
    [(0, 1), ("train", "test"), ("valid", "Test"), ("Dev", "test"), ("0", "1"), (False, True)],
)
def test_a_split_is_kept_and_may_hold_out_whole_sites(
    tmp_path: Path, words: tuple[object, object]
) -> None:
    split = [words[1] if site == "c" or row == 0 else words[0] for row, site in enumerate(SITES)]
    own = world(saved(tmp_path, {**data(), "split": np.array(split)}), sites=1)
    assert own.sites == ("a",)
    assert len(own.windows(0)) == 11
    assert own.test().groups == ("b", "c")
    assert own.test().windows.labels.tolist() == data()["y"][[0, *rows_of("c")]].tolist()


def test_numbered_sites_are_in_order_of_their_numbers(tmp_path: Path) -> None:
    own = world(saved(tmp_path, {**data(), "site": np.repeat([10, 9, 200, 1, 2], 5)}))
    assert own.sites == ("1", "2", "9", "10", "200")


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("shape", [(3,), (8, 3), (1, 4, 4)])
def test_parquet_and_npz_give_the_same_windows(
    tmp_path: Path, shape: tuple[int, ...], fixed: bool
) -> None:
    content = {**data(shape), "split": np.array(["train", "test"] * 12 + ["train"])}
    one = world(saved(tmp_path, content))
    other = world(saved_as_parquet(tmp_path, content, fixed))
    assert one.sites == other.sites
    assert one.task == other.task
    assert one.task.window_shape == shape
    for index in range(3):
        assert np.array_equal(one.windows(index).values, other.windows(index).values)
        assert np.array_equal(one.windows(index).labels, other.windows(index).labels)
    assert np.array_equal(one.test().windows.values, other.test().windows.values)


def test_what_is_not_declared_is_derived(tmp_path: Path) -> None:
    task = world(saved(tmp_path, data())).task
    assert task.labels == ("0", "1", "2")
    assert task.channels == ("c0", "c1", "c2")
    assert task.units == ("1", "1", "1")
    assert (task.center, task.scale, task.rate_hz) == ((0.0,) * 3, (1.0,) * 3, None)


def test_a_label_that_would_name_millions_of_others_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {**data(), "y": np.arange(25) % 3 * 10**15})
    with pytest.raises(InvalidData, match=r"y 2000000000000000, of 3 different.*as text"):
        world(path)


def test_what_is_declared_is_kept(tmp_path: Path) -> None:
    task = world(
        saved(tmp_path, data()),
        labels=["still", "walking", "running", "never seen"],
        channels=["x", "y", "z"],
        units=["g", "g", "g"],
        rate_hz=20.0,
        center=0.5,
        scale=[1, 2, 3],
        windows_per_reading=4,
    ).task
    assert task.labels == ("still", "walking", "running", "never seen")
    assert (task.channels, task.units) == (("x", "y", "z"), ("g", "g", "g"))
    assert (task.center, task.scale, task.rate_hz) == ((0.5,) * 3, (1.0, 2.0, 3.0), 20.0)
    assert task.windows_per_reading == 4


@pytest.mark.parametrize("save", [saved, saved_as_parquet])
def test_labels_may_be_names(tmp_path: Path, save: Callable[[Path, Data], Path]) -> None:
    names = np.array(["walk", "sit", "lie"])
    path = save(tmp_path, {**data(), "y": names[data()["y"]]})
    for declared, expected in ((None, ("lie", "sit", "walk")), (["walk", "lie", "sit"],) * 2):
        own = world(path, labels=declared)
        assert own.task.labels == tuple(expected or ())
        labels = [own.task.labels[label] for label in own.windows(0).labels]
        assert labels == names[data()["y"][rows_of("a")[:9]]].tolist()


def changed(name: str, value: object) -> Damage:
    return lambda content: content.update({name: np.array(value)})


def with_value(value: float) -> Damage:
    def damage(content: Data) -> None:
        content["x"][4, 2, 1] = value

    return damage


@pytest.mark.parametrize("save", [saved, saved_as_parquet])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: content.pop("x"), "has no column for a channel"),
        (
            with_value(np.nan),
            r"1 of 25 rows \(first: row 5\): lack 1 reading .*missing=drop .*=hold",
        ),
        (with_value(-np.inf), "hold 1 infinite reading"),
        (with_value(1e39), r"x of row 5, 1e\+39: must be within 3.4e\+38"),
        (changed("x", np.zeros((25, 2, 2, 2, 2))), r"x of shape \(25, 2, 2, 2, 2\)"),
        (changed("x", [["a"]] * 25), "x of .*type .*must be numbers"),
        (changed("y", np.arange(25) / 2), "y of shape .* must be one whole number or text"),
        (changed("y", [[1, 2]] * 25), "y of shape .* must be one whole number or text"),
        (
            changed("y", [-1] * 25),
            r"y -1: must be at least 0, where labels are numbers. Number the labels",
        ),
        (changed("site", np.linspace(0, 1, 25)), "site of shape .* must be one whole number"),
        (changed("site", [""] * 25), "lack the label or the site of 25 rows"),
        (changed("split", ["train", "exam"] * 12 + ["test"]), "split 'exam': must be 0 or train"),
        (changed("split", [2] * 25), "split 2: must be 0 or train"),
        (changed("split", [0] * 25), "25 rows, none of them for test"),
        (changed("split", [1] * 25), "25 rows, none of them for training"),
        (changed("site", np.arange(25)), "25 rows, none of them for test.*five rows"),
    ],
)
def test_unusable_content_is_refused(
    tmp_path: Path, save: Callable[[Path, Data], Path], damage: Damage, says: str
) -> None:
    content = data()
    damage(content)
    with pytest.raises(InvalidData, match=says):
        world(save(tmp_path, content))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (changed("y", [1] * 24), "x 25, label 24, site 25: must be equally many"),
        (changed("x", np.zeros((0, 3))), "x of shape .0, 3.* N at least 1"),
        (changed("x", np.array([None] * 25)), "x: holds objects: those are pickles"),
        (changed("site", np.array([{}] * 25)), "site: holds objects: those are pickles"),
        (changed("x", np.zeros((25, 3), complex)), "type complex128: must be numbers"),
    ],
)
def test_unusable_npz_files_are_refused(tmp_path: Path, damage: Damage, says: str) -> None:
    content = data()
    damage(content)
    with pytest.raises(InvalidData, match=says):
        world(saved(tmp_path, content))


def test_an_empty_file_of_rows_is_refused(tmp_path: Path) -> None:
    for save in (saved, saved_as_parquet):
        with pytest.raises(InvalidData, match="own"):
            world(save(tmp_path, {name: values[:0] for name, values in data().items()}))


@pytest.mark.parametrize(
    ("x", "says"),
    [
        ([[1.0, 2.0], [1.0]], "lists of 1, 2 values: must have lists of one length"),
        ([[1.0, 2.0], None], "lack 2 readings"),
        ([[1.0, 2.0], [1.0, None]], "lack 1 reading "),
        ([[[1.0], None], [[1.0], [1.0]]], "1 null lists inside of windows"),
        ([[[1.0], [2.0]], [[1.0], [2.0, 3.0]]], "lists of 1, 2 values"),
        ([{"a": 1}, {"a": 2}], "x of type struct"),
    ],
)
def test_unusable_parquet_columns_are_refused(tmp_path: Path, x: list[Any], says: str) -> None:
    pq.write_table(pa.table({"x": x, "y": [0, 1], "site": ["a", "a"]}), tmp_path / "own.parquet")
    with pytest.raises(InvalidData, match=says):
        world(tmp_path / "own.parquet")


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
@pytest.mark.parametrize("save", [saved, saved_as_parquet])
def test_a_cut_file_is_refused(
    tmp_path: Path, save: Callable[[Path, Data], Path], keep: int
) -> None:
    path = save(tmp_path, data())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InvalidData, match="must be an undamaged"):
        world(path)


@pytest.mark.parametrize("name", ["absent.npz", "absent.parquet", "."])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidData, match="must be a file that exists"):
        world(tmp_path / name)


@pytest.mark.parametrize(
    ("declared", "error", "says"),
    [
        ({"channels": ["x", "y"]}, InvalidConfiguration, r"data\.channels with 2 .* 3 channels"),
        ({"units": ["g"]}, InvalidConfiguration, r"world\.units with 1 .* 3 channels"),
        ({"center": [0.0] * 8}, InvalidConfiguration, r"world\.center with 8 .* 3 channels"),
        ({"scale": [1.0] * 2}, InvalidConfiguration, r"world\.scale with 2 .* 3 channels"),
        ({"rate_hz": 0.0}, InvalidConfiguration, r"world\.rate_hz=0\.0"),
        ({"windows_per_reading": 0}, InvalidConfiguration, r"world\.windows_per_reading=0"),
        ({"labels": ["a", "b"]}, InvalidData, r"labels from 0 to 2: must lie in 0\.\.1"),
        ({"sites": 4}, InvalidConfiguration, "sites=4: must be at most 3"),
        ({"sites": 0}, InvalidConfiguration, "sites=0: must be a whole number from 1"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(
    tmp_path: Path, declared: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        world(saved(tmp_path, data()), **declared)


def test_a_name_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {**data(), "y": np.array(["sit", "fly"] * 12 + ["sit"])})
    with pytest.raises(InvalidData, match="y 'fly': must be one of the declared labels sit"):
        world(path, labels=["sit"])


def test_a_rate_needs_a_time_axis(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"rate_hz=50\.0 with windows of shape \(3,\)"):
        world(saved(tmp_path, data((3,))), rate_hz=50.0)
