"""npz files with other names, in parts for training and test, and with arrays of objects."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_common.errors import InvalidConfiguration, InvalidData
from simulate.world.partition import Iid
from simulate.world.tables import Kind
from simulate.world.tables.packed import PackedTable
from tests.support.own_data import world

X = np.random.default_rng(0).normal(size=(20, 8, 3))
Y = np.arange(20) % 2
WHO = np.repeat(["Ann", "Bob"], 10)


def saved(folder: Path, **arrays: object) -> Path:
    np.savez(folder / "own.npz", **arrays)  # type: ignore[arg-type]
    return folder / "own.npz"


@pytest.mark.parametrize(
    "names", [("X", "Y", "subject"), ("data", "labels", "groups"), ("features", "target", "client")]
)
def test_arrays_by_other_plain_names(tmp_path: Path, names: tuple[str, str, str]) -> None:
    own = world(saved(tmp_path, **dict(zip(names, (X, Y, WHO), strict=True))))
    assert own.sites == ("Ann", "Bob")
    assert np.array_equal(own.windows(1).values, X[10:18].astype(np.float32))


@pytest.mark.parametrize("form", ["{0}_{1}", "{1}_{0}", "{0}{1}"])
def test_parts_for_training_and_test_are_a_split(tmp_path: Path, form: str) -> None:
    arrays = {}
    for word, rows in (("train", slice(0, 14)), ("test", slice(14, 20))):
        for name, column in (("x", X), ("y", Y), ("site", WHO)):
            arrays[form.format(name, word)] = column[rows]
    own = world(saved(tmp_path, **arrays))
    assert own.sites == ("Ann", "Bob")
    assert [len(own.windows(0)), len(own.windows(1))] == [10, 4]
    assert own.test().groups == ("Bob",)
    assert np.array_equal(own.test().windows.values, X[14:].astype(np.float32))


@pytest.mark.parametrize("beside", ["values", "device", "validity", "testimony"])
@pytest.mark.parametrize("word", ["train", "training"])
def test_a_name_that_begins_like_a_part_hides_none(tmp_path: Path, beside: str, word: str) -> None:
    parts = {f"{word}_x": X[:14], "test_x": X[14:], f"{word}_y": Y[:14], "test_y": Y[14:]}
    own = world(saved(tmp_path, **parts, site=WHO, **{beside: Y}), channels=["a", "b", "c"])
    assert len(own.test().windows) == 6


def test_a_part_to_develop_on_is_trained_on_and_said(tmp_path: Path) -> None:
    rows = {"train": slice(0, 10), "dev": slice(10, 14), "test": slice(14, 20)}
    arrays = {f"{n}_{w}": c[r] for w, r in rows.items() for n, c in (("x", X), ("y", Y))}
    own = world(saved(tmp_path, **arrays), sites=2)
    assert (sum(len(own.windows(site)) for site in range(2)), len(own.test().windows)) == (14, 6)
    assert "4 rows of split dev are trained on" in own.notes


def test_parts_of_other_lengths_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path, x_train=X[:14], x_test=X[14:, :4], y_train=Y[:14], y_test=Y[14:])
    with pytest.raises(InvalidData, match=r"x_train .14, 8, 3. and x_test .6, 4, 3.: must have"):
        world(path)


def test_images_as_keras_has_them(tmp_path: Path) -> None:
    grey = np.arange(20 * 64, dtype=np.uint8).reshape(20, 8, 8)
    own = world(saved(tmp_path, x=grey, y=Y, site=WHO))
    assert own.task.window_shape == (1, 8, 8)
    assert "bytes of shape (8, 8) are images of one channel" in own.notes
    colour = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3))
    own = world(saved(tmp_path, x=colour, y=Y, site=WHO))
    assert own.task.window_shape == (3, 8, 8)
    assert np.array_equal(own.windows(0).values[:, 2], colour[:8, :, :, 2])


def test_an_array_of_objects_that_nobody_needs_is_not_read(tmp_path: Path) -> None:
    path = saved(tmp_path, x=X, y=Y, site=WHO, names=np.array([{}, None], object))
    assert world(path).sites == ("Ann", "Bob")


def test_one_array_a_channel(tmp_path: Path) -> None:
    own = world(saved(tmp_path, ax=X[..., 0], ay=X[..., 1], y=Y, site=WHO, mean=np.zeros(3)))
    assert (own.task.window_shape, own.task.channels) == ((8, 2), ("ax", "ay"))
    assert np.array_equal(own.windows(0).values, X[:8, :, :2].astype(np.float32))


def test_a_declared_shape_of_terabytes_is_one_line(tmp_path: Path) -> None:
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (2**40, 8)}
    np.lib.format.write_array_header_1_0(header, shape)
    path = saved(tmp_path, y=Y, site=WHO)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(64))
    with pytest.raises(InvalidData, match="must be an undamaged npz file"):
        world(path)


NAMES = st.sampled_from(["x", "X", "y", "subject", "train", "test", "x_train", "xtest", "test_y"])


@given(st.dictionaries(NAMES, st.integers(0, 4), max_size=6))
def test_any_names_and_lengths_make_a_table(lengths: dict[str, int]) -> None:
    table = PackedTable("own", {n: np.zeros((rows, 2)) for n, rows in lengths.items()}, ())
    for name in table.names:
        assert table.kind(name) in Kind
        assert name == "split" or len(table.numbers(name)) <= len(table)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(["_", ""]))
def test_no_row_is_lost_between_parts(first: int, second: int, joint: str) -> None:
    column = np.arange(first + second)
    parts = {f"x{joint}train": column[:first], f"x{joint}test": column[first:]}
    table = PackedTable("own", parts, ())
    assert table.numbers("x").tolist() == column.tolist()
    assert table.words("split").values_N.tolist() == ["train"] * first + ["test"] * second


def test_parts_without_sites_are_divided_by_a_rule(tmp_path: Path) -> None:
    path = saved(tmp_path, x_train=X[:14], y_train=Y[:14], x_test=X[14:], y_test=Y[14:])
    own = world(path, sites=7, partition=Iid(0, None))
    assert (len(own.sites), len(own.windows(3)), len(own.test().windows)) == (7, 2, 6)
    with pytest.raises(InvalidConfiguration, match=r"data\.site=COLUMN.*partition=iid sites=10"):
        world(path)
