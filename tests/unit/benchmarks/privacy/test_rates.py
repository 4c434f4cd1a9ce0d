"""The table of the rule of learning rates: which rates are run, and which is called the best."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.privacy import rates
from benchmarks.privacy.rates import SETS, Row, measure, to_markdown

MACHINE = {"processor": "test", "commit": "abc"}


def test_the_rule_a_grid_around_it_and_one_rate_for_all_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    def run(overrides: Sequence[str]) -> dict[str, object]:
        asked.append(overrides[-2])
        return {"measures": {"accuracy": 0.5}}

    monkeypatch.setattr(rates, "_run", run)
    SETS["breast cancer"].write(tmp_path, tmp_path / "own.npz")
    found = measure("breast cancer", "window", tmp_path / "own.npz")
    assert asked[:3] == ["training.learning_rate=auto"] * 3
    assert asked[-3:] == ["training.learning_rate=0.6"] * 3
    grid = [float(rate) for rate in found.measured]
    assert grid == pytest.approx([found.rate, found.rate / 3, found.rate * 3, 0.6], rel=0.01)


@pytest.mark.parametrize(("name", "best"), [("diabetes", "0.3"), ("wearables", "0.1")])
def test_the_best_rate_has_the_least_error_or_the_largest_accuracy(name: str, best: str) -> None:
    one_rate = {"0.1": (0.9, 0.8), "0.3": (0.7, 0.6), "0.0333": (0.8, 0.8), "0.6": (0.1, 0.1)}
    row = Row(name, "window", 0.1, one_rate)
    assert row.best() == best
    assert f"| {np.mean(one_rate[best]):.3g} ± " in to_markdown([row], MACHINE)
