"""Counts of confusions take memory by test windows, not by pairs of labels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulate.report.confusion import confusion_of
from simulate.report.figures import figures
from tests.support import results_samples as made

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=60)


@given(PAIRS)
def test_the_counts_are_those_of_a_matrix(pairs: list[tuple[int, int]]) -> None:
    matrix_KK = np.zeros((8, 8), np.int64)
    for truth, named in pairs:
        matrix_KK[truth, named] += 1
    columns = np.array(pairs, np.int64).reshape(-1, 2)
    found = confusion_of(columns[:, 0], columns[:, 1], 8)
    assert np.array_equal(found.matrix(range(8)), matrix_KK)
    assert np.array_equal(found.matrix([5, 2]), matrix_KK[np.ix_([5, 2], [5, 2])])
    assert np.array_equal(found.total_K, matrix_KK.sum(1))
    assert np.array_equal(found.right_K, np.diag(matrix_KK))
    wrong = [count for _, _, count in found.mistakes()]
    assert wrong == sorted(wrong, reverse=True)
    assert sum(wrong) == matrix_KK.sum() - np.trace(matrix_KK)


@given(PAIRS, st.integers(2, 7))
def test_the_most_frequent_confusion_is_shown(pairs: list[tuple[int, int]], most: int) -> None:
    columns = np.array(pairs, np.int64).reshape(-1, 2)
    found = confusion_of(columns[:, 0], columns[:, 1], 8)
    chosen = found.most_confused(most)
    assert len(chosen) <= most
    assert chosen == sorted(chosen)
    if mistakes := found.mistakes():
        assert {*mistakes[0][:2]} <= {*chosen}


def test_a_million_labels_take_no_matrix() -> None:
    found = confusion_of(np.array([3, 999_999]), np.array([3, 5]), 1_000_000)
    assert (len(found.count_M), found.most_confused(60)) == (2, [5, 999_999])


@pytest.mark.parametrize("count", [61, 3000])
def test_of_many_labels_the_most_confused_are_shown(count: int) -> None:
    labels = tuple(f"class {number}" for number in range(count))
    truth_N = np.repeat(np.arange(count), 10)
    named_N = np.where(np.arange(len(truth_N)) % 20 == 0, (truth_N + 2) % count, truth_N)
    named_N[70:75] = 40
    end = replace(made.outcome(labels), confusion=confusion_of(truth_N, named_N, count))
    drawn = {f.name: f for f in figures(made.plan(labels=labels), [made.result(1)], end)}
    [heat] = drawn["confusion"].data
    names = drawn["confusion"].layout["xaxis"]["ticktext"]
    assert len(names) <= len(heat["z"]) <= 30
    assert heat["z"][names.index("class 7")][names.index("class 40")] == 0.5
    assert f"that are confused most, of {count:,} labels" in drawn["confusion"].says
    assert f"Shown are the 30 lowest of {count:,}" in drawn["classes"].says
    assert sum(len(json.dumps([f.data, f.layout])) for f in drawn.values()) < 1_000_000


def test_without_any_mistake_many_labels_have_no_matrix() -> None:
    labels = tuple(f"class {number}" for number in range(61))
    every_N = np.arange(61)
    end = replace(made.outcome(labels), confusion=confusion_of(every_N, every_N, 61))
    drawn = figures(made.plan(labels=labels), [made.result(1)], end)
    assert "confusion" not in [figure.name for figure in drawn]
