"""The table of a published network: what the sites get, what is kept, and what the page says."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy import pretrained, runs
from benchmarks.privacy.pretrained import IMAGES, SITES, TESTS, Row, measure, to_markdown

ROW = Row("published", "window", (0.8, 0.9), 256_200.0)


def write_mnist(folder: Path) -> None:
    count = SITES * IMAGES + TESTS
    np.savez(
        folder / "mnist.npz",
        x=np.zeros((count, 28, 28), np.uint8),
        y=np.arange(count) % 10,
        split=np.repeat([0, 1], [SITES * IMAGES, TESTS]),
    )


def test_each_way_has_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)
    seen = list[tuple[list[str], np.ndarray]]()

    def run(overrides: list[str], data: Path | None, limit_s: float) -> tuple[object, float]:
        path = next(each for each in overrides if each.startswith("data.path="))
        with np.load(path.partition("=")[2]) as file:
            seen.append((overrides, file["y"]))
            assert file["x"].shape[1:] == (1, 28, 28)
            assert np.bincount(file["site"][file["split"] == 0]).tolist() == [IMAGES] * SITES
        return {"accuracy": 0.5, "bytes_up": 40, "rounds": 10}, 1.0

    monkeypatch.setattr(runs, "run", run)
    found = measure("published", "none", 2, tmp_path, tmp_path / "weights")
    measure("random", "none", 1, tmp_path, tmp_path / "weights")
    assert found == Row("published", "none", (0.5, 0.5), 4.0)
    assert all(np.array_equal(labels, seen[0][1]) for _, labels in seen)
    inits = [[each for each in line if each.startswith("init=")] for line, _ in seen]
    assert inits == [[f"init={tmp_path / 'weights' / pretrained.STATE}"]] * 2 + [[]]


def test_the_page_names_way_figures_and_traffic() -> None:
    page = to_markdown([ROW], "")
    assert (
        "| new last layer alone | published | window | **0.850** ± 0.071 | 2 | 0.256 MB |" in page
    )
    (left,) = (line for line in page.splitlines() if line.startswith("Not measured: "))
    assert "new last layer alone from random (window)" in left
    assert "new last layer alone from published (window)" not in left
    assert "new last layer alone from published (none)" in left


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / pretrained.WHEEL).write_bytes(b"other")
    with pytest.raises(ProcessFailed, match="another file than was looked at"):
        pretrained.published(tmp_path)
