"""The table of anomalies: what its detectors are given, and what a line says."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.privacy.anomalies import (
    DETECTORS,
    SETS,
    Row,
    detected,
    digits,
    tissue,
    to_markdown,
)

ROW = Row(
    "tissue", 5, 285, {"none": (0.9, 0.8), "window": (0.7, 0.7)},
    {"none": (0.1,), "window": (0.05,)}, dict.fromkeys(DETECTORS, 0.95),
)  # fmt: skip


def test_detectors_find_what_lies_far_off() -> None:
    generator = np.random.default_rng(0)
    near_N, far_N = generator.normal(size=(200, 3, 2)), generator.normal(8, 1, (50, 3, 2))
    test_N, labels_N = np.concatenate([near_N[:50], far_N]), np.repeat([0, 1], 50)
    found = detected(near_N, test_N, labels_N)
    assert found.keys() == DETECTORS.keys()
    assert min(found.values()) > 0.95


def test_a_line_has_means_and_deviations() -> None:
    (line,) = (
        line for line in to_markdown([ROW], "").splitlines() if line.startswith("| `tissue`")
    )
    assert "| 0.850 ± 0.071 | 0.700 ± 0.000 | 0.950 |" in line


@pytest.mark.parametrize(("made", "rows", "odd"), [(digits, 1797, 174), (tissue, 569, 212)])
def test_what_a_package_ships_is_written_as_a_file_of_ones_own(
    made: object, rows: int, odd: int, tmp_path: Path
) -> None:
    assert made in SETS.values()
    columns = SETS[getattr(made, "__name__", "")](tmp_path)
    assert len(columns["x"]) == len(columns["site"]) == rows
    assert columns["y"].sum() == odd
