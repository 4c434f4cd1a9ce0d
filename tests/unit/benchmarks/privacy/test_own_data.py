"""The table of defaults beside recipes: what is run, what is kept, and what the page says."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.privacy import runs
from benchmarks.privacy.own_data import SETS, Row, measure, to_markdown


def row(default: float, recipe: float) -> Row:
    accuracies = (default,) * 2, (recipe,) * 2
    return Row("digits", "none", "scatter", *accuracies, ("a", "b"))


def test_a_set_is_given_with_nothing_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(
        tmp_path / "mnist.npz",
        x=np.zeros((40, 28, 28), np.uint8),
        y=np.arange(40) // 10,
        split=np.repeat([0, 0, 1, 1], 10),
    )
    asked, shapes = list[list[str]](), list[tuple[int, ...]]()

    def run(overrides: list[str], data: Path | None, limit_s: float) -> tuple[object, float]:
        asked.append(overrides)
        if overrides[0] == "task=arrays":
            with np.load(overrides[1].partition("=")[2]) as file:
                shapes.append(file["x"].shape)
        elif data is not None:
            with np.load(data) as file:
                assert [*file["y"]] == [0, 1, 2, 3]  # the same tenth
        return {"net": "scatter", "accuracy": 0.5}, 1.0

    monkeypatch.setattr(runs, "run", run)
    found = measure("digits", "window", tmp_path, seeds=2)
    assert shapes == [(4, 1, 28, 28)] * 2
    own = [set(words[2:]) for words in asked if words[0] == "task=arrays"]
    given = {"privacy=window", "partition=iid", "sites=20"}
    assert own == [{*given, "seed=0"}, {*given, "seed=1"}]
    assert asked[2][0] == "task=digits"
    assert found.default == (0.5, 0.5)


@pytest.mark.parametrize(
    ("default", "word"), [(0.95, "reached"), (0.88, "reached"), (0.87, "missed")]
)
def test_two_points_below_the_recipe_are_within_reach(default: float, word: str) -> None:
    assert f"| {word} |" in to_markdown([row(default, 0.899)], "")


def test_every_set_has_a_recipe_for_each_privacy() -> None:
    assert list(SETS) == ["wearables", "activity", "digits"]
    assert all(set(known.recipes) == {"none", "window"} for known in SETS.values())
