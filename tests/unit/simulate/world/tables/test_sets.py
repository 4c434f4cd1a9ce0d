"""Several labels a row, in each form that people have them."""

from pathlib import Path

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration, InvalidData
from models.kinds import kind_of
from models.kinds.multilabel import has_of, rarest_of
from simulate import configure
from simulate.configuration.composition import resolved
from simulate.job.preparation import yaml_of
from simulate.world.arrays import Arrays
from simulate.world.build import open_world

HAS = np.array([[1, 0], [1, 1], [0, 0], [0, 1]] * 10)
X = np.arange(80, dtype=np.float32).reshape(40, 2)
SITES = np.repeat(["p", "q"], 20)


def world_of(path: Path, *more: str) -> Arrays:
    asked = configure("task=arrays", f"data.path={path}", "task.kind=multilabel", *more)
    world = open_world(yaml_of(resolved(asked)["world"]))
    assert isinstance(world, Arrays)
    return world


def has_in(world: Arrays) -> np.ndarray:
    parts = [world.windows(0), world.windows(1), world.test().windows]
    values = np.concatenate([part.values for part in parts])
    bits_N = np.concatenate([part.labels for part in parts])
    return has_of(bits_N, 2)[np.argsort(values[:, 0])]


def table(path: Path, texts: list[str]) -> Path:
    lines = [f"{s},{x[0]},{x[1]},{t}" for s, x, t in zip(SITES, X, texts, strict=True)]
    path.write_text("\n".join(["site,u,v,labels", *lines]) + "\n")
    return path


def test_a_text_with_semicolons_an_array_and_columns_are_the_same(tmp_path: Path) -> None:
    names = [";".join(n for n, has in zip("ab", row, strict=True) if has) for row in HAS]
    as_text = table(tmp_path / "text.csv", names)
    lines = [f"{s},{x[0]},{x[1]},{a},{b}" for s, x, (a, b) in zip(SITES, X, HAS, strict=True)]
    as_columns = tmp_path / "columns.csv"
    as_columns.write_text("\n".join(["site,u,v,a,b", *lines]) + "\n")
    as_arrays = tmp_path / "arrays.npz"
    np.savez(as_arrays, x=X, y=HAS, site=SITES)
    for world in (
        world_of(as_text),
        world_of(as_columns, "data.label=[a,b]"),
        world_of(as_arrays, "world.labels=[a,b]"),
    ):
        np.testing.assert_array_equal(has_in(world), HAS == 1)
        assert kind_of(world.task).columns == ("a", "b")
        assert world.task.window_shape == (2,), "a label is no channel"
        assert any("10 of 40 rows have none of the labels" in note for note in world.notes)


def test_a_label_that_nobody_trains_and_one_that_is_not_declared_are_said(tmp_path: Path) -> None:
    path = table(tmp_path / "some.csv", ["a"] * 40)
    notes = world_of(path, "world.labels=[a,b]").notes
    assert any("no row has 1 of 2 labels (b)" in note for note in notes)
    with pytest.raises(InvalidData, match="must be one of the declared labels b, c"):
        world_of(path, "world.labels=[b,c]")


@pytest.mark.parametrize(
    ("y", "words"), [(HAS * 2, "must be 0 or 1"), (np.zeros((40, 2, 2)), "must be 0 or 1")]
)
def test_what_is_no_set_is_refused(tmp_path: Path, y: np.ndarray, words: str) -> None:
    np.savez(tmp_path / "odd.npz", x=X, y=y, site=SITES)
    with pytest.raises(InvalidData, match=words):
        world_of(tmp_path / "odd.npz")


def test_columns_of_labels_are_for_several_labels_alone(tmp_path: Path) -> None:
    path = table(tmp_path / "one.csv", ["a"] * 40)
    asked = configure("task=arrays", f"data.path={path}", "data.label=[u,v]")
    with pytest.raises(InvalidConfiguration, match="must be one column"):
        open_world(yaml_of(resolved(asked)["world"]))


def test_a_rule_divides_by_the_rarest_label_of_a_row(tmp_path: Path) -> None:
    rows = np.array([0b11, 0b10, 0b01, 0b01, 0b00])
    assert rarest_of(rows, 2, rows).tolist() == [1, 1, 0, 0, 2]
    names = [";".join(n for n, has in zip("ab", row, strict=True) if has) for row in HAS]
    path = table(tmp_path / "rule.csv", names)
    world = world_of(path, "data.site=none", "partition=shards", "sites=4")
    assert len(world.sites) == 4
