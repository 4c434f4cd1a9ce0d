"""The table of labels of readings: how recordings are joined again, and what a line says."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.privacy.joined import LONGEST, dealt, last_part, pieces, write_recording
from benchmarks.privacy.sequences import SETS, Row, to_markdown
from fl_common.vocabulary import Floats


def halved(values_TC: Floats) -> Floats:
    """Windows of 4 readings that overlap by half."""
    return np.stack([values_TC[at : at + 4] for at in range(0, len(values_TC) - 3, 2)])


def test_windows_that_continue_each_other_are_the_recording_that_they_were_cut_from() -> None:
    generator = np.random.default_rng(0)
    one, other = (generator.normal(size=(size, 2)).astype(np.float32) for size in (12, 8))
    windows = np.concatenate([halved(one), halved(other)])
    labels = np.repeat([3, 5], [len(halved(one)), len(halved(other))])
    found = [*pieces(windows, labels)]
    assert [label for _, label in found] == [3, 5]
    assert np.array_equal(found[0][0], one)
    assert np.array_equal(found[1][0], other)


def test_a_change_of_label_ends_a_piece() -> None:
    whole = np.arange(24, dtype=np.float32).reshape(12, 2)
    labels = np.array([0, 0, 1, 1, 1])
    found = [*pieces(halved(whole), labels)]
    assert [(len(values), label) for values, label in found] == [(6, 0), (8, 1)]


def test_pieces_are_dealt_whole_and_what_is_held_out_comes_later() -> None:
    whole = [(np.arange(5000, dtype=np.float32)[:, None] + 10_000 * n, n) for n in range(3)]
    former, latter = last_part(whole, 0.2)
    assert {len(values) for values, _ in former} == {4000}
    assert all(values[0, 0] == 10_000 * label + 4000 for values, label in latter)
    shuffled = dealt(former, np.random.default_rng(1))
    assert max(len(values) for values, _ in shuffled) <= LONGEST
    assert all((values // 10_000 == label).all() for values, label in shuffled)
    assert len({label for _, label in shuffled[:5]}) > 1
    readings = np.concatenate([values for values, _ in shuffled])
    assert len(np.unique(readings)) == len(readings) > 0.9 * 12_000


def test_a_recording_has_the_label_of_each_reading(tmp_path: Path) -> None:
    whole = [(np.zeros((3, 2), np.float32), 1), (np.ones((2, 2), np.float32), 0)]
    write_recording(whole, ["x", "y"], ["still", "walk"], tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet").to_pydict()
    assert table["label"] == ["walk"] * 3 + ["still"] * 2
    assert table["x"] == [0.0] * 3 + [1.0] * 2


def test_a_line_has_means_and_deviations_and_the_page_says_how_pieces_were_joined() -> None:
    names = ("accuracy", "balanced_accuracy", "macro_f1")
    rows = [
        Row("activity", "federated, no DP", dict.fromkeys(names, (0.8, 0.9)), "python -m simulate"),
        Row("activity", "the usual label", dict.fromkeys(names, (0.2,)), None),
    ]
    page = to_markdown(rows, "Machine: one.")
    assert "| `activity` | federated, no DP | 0.850 ± 0.071 |" in page
    assert "| `activity` | the usual label | 0.200 | 0.200 | 0.200 |" in page
    assert "stand end to end" in page
    assert SETS["activity"].about in page
    assert SETS["wearables"].about not in page
