"""What people tell of windows, in each form, and how it reaches training."""

from contextlib import closing
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.inference.events import measures_of
from fl_client.sensors import Annotation
from fl_client.store.agreement import Agreement
from fl_client.store.database import open_store
from fl_client.store.window_reading import read_labelled
from fl_client.store.windows import Mark, WindowStore
from fl_client.windows import Window
from fl_client.windows.split import Labelled
from fl_client.windows.truths import truths_of
from fl_common.vocabulary import Floats, KindSpec, Task
from models.kinds import kind_of
from tests.support import windowing as toy

STEP = 4 * toy.PERIOD
STARTS = [toy.T0 + k * STEP for k in range(6)]
NUMBERS = replace(
    toy.TASK,
    labels=(),
    kind=KindSpec.of("regression", low=0.0, high=50.0, unit="Cel", quantile=None),
)
SETS = replace(toy.TASK, labels=(), kind=KindSpec.of("multilabel", labels="hot;loud"))
ODD = replace(toy.TASK, labels=(), kind=KindSpec.of("anomaly", quantile=0.9))
READINGS = replace(toy.TASK, kind=KindSpec.of("sequence"))


def told(first: float, last: float, label: str) -> Annotation:
    """A label from one row after ``T0`` to another."""
    start, end = (toy.T0 + round(row * toy.PERIOD) for row in (first, last))
    return Annotation(f"{first}-{last}-{label}", start, end, label)


def known(folder: Path, task: Task, *annotations: Annotation, share: float = 0.75) -> Labelled:
    """The windows at ``STARTS`` with what a store makes of annotations, in each order the same."""
    found = None
    for number, order in enumerate(permutations(annotations)):
        path = folder / f"store-{number}"
        with closing(open_store(path)) as connection:
            store = WindowStore(connection, task, toy.SLICING, share)
            store.annotate(order[: number % 2])
            store.add(
                [Window("toy", s, np.full((8, 3), n, np.float32)) for n, s in enumerate(STARTS)]
            )
            store.annotate(order[number % 2 :])
        this = read_labelled(path, task, toy.SLICING)
        if found is not None:
            assert np.array_equal(this.labels_N, found.labels_N)
            assert np.array_equal(this.starts_N, found.starts_N)
        found = this
    assert found is not None
    assert kind_of(task).fits_N(found.labels_N).all()
    assert np.array_equal(found.values_NTC[:, 0, 0], (found.starts_N - toy.T0) / STEP)
    return found


def by_row(found: Labelled) -> dict[int, Any]:
    rows = ((found.starts_N - toy.T0) // STEP).tolist()
    return dict(zip(rows, found.labels_N.tolist(), strict=True))


def test_a_number_is_the_mean_over_time_of_what_is_told(tmp_path: Path) -> None:
    found = known(tmp_path, NUMBERS, told(0, 8, "10"), told(8, 12, "20.5"), told(12, 18, "30"))
    assert by_row(found) == pytest.approx({0: 10, 1: 15.25, 2: 25.25, 3: 30})


def test_numbers_that_contradict_each_other_tell_nothing_of_their_time(tmp_path: Path) -> None:
    found = known(tmp_path, NUMBERS, told(0, 20, "10"), told(8, 12, "20"), told(10, 11, "10"))
    assert by_row(found) == {0: 10, 3: 10}


def test_one_number_may_be_told_twice(tmp_path: Path) -> None:
    found = known(tmp_path, NUMBERS, told(0, 9, "10"), told(4, 20, "10.0"))
    assert by_row(found) == {0: 10, 1: 10, 2: 10, 3: 10}


def test_numbers_at_the_ends_of_the_range_stay_within_it(tmp_path: Path) -> None:
    thirds = [told(k / 3, (k + 1) / 3, "50") for k in (0, 10, 23)]
    found = known(tmp_path, NUMBERS, told(0.1, 7.9, "50"), *thirds)
    assert by_row(found) == {0: 50.0}


@pytest.mark.parametrize(
    ("task", "label", "why"),
    [
        (NUMBERS, "50.5", "range"),
        (NUMBERS, "-0.1", "range"),
        (NUMBERS, "nan", "number"),
        (NUMBERS, "inf", "number"),
        (NUMBERS, "warm", "number"),
        (NUMBERS, "1_0", "number"),
        (NUMBERS, "1e999", "range"),
        (NUMBERS, "0", None),
        (NUMBERS, "4.2e1", None),
        (SETS, "hot;cold", "unknown"),
        (SETS, "hot; loud", None),
        (SETS, "", None),
        (ODD, "odd", "unknown"),
        (ODD, "unknown", None),
        (ODD, "Anomaly", None),
        (ODD, "0", None),
        (READINGS, "hot", "unknown"),
        (READINGS, "still", None),
        (toy.TASK, "hot", "unknown"),
    ],
)
def test_a_label_that_tells_nothing_is_named_by_its_reason(
    task: Task, label: str, why: str | None
) -> None:
    assert truths_of(task, toy.SLICING).why_unused(label) == why


def test_what_tells_nothing_changes_nothing(tmp_path: Path) -> None:
    odd = [told(0, 24, label) for label in ("50.5", "warm", "nan")]
    assert by_row(known(tmp_path, NUMBERS, told(0, 8, "10"), *odd)) == {0: 10}


def test_a_window_has_each_label_that_covers_it_and_none_where_none_is_told(tmp_path: Path) -> None:
    found = known(
        tmp_path, SETS, told(0, 8, "hot;loud"), told(8, 12, "loud"), told(12, 20, ""), share=0.5
    )
    assert by_row(found) == {0: 0b11, 1: 0b11, 2: 0b10, 3: 0, 4: 0}


def test_labels_of_one_time_may_come_apart_and_half_a_label_tells_nothing(tmp_path: Path) -> None:
    found = known(tmp_path, SETS, told(0, 8, "hot"), told(0, 12, "loud"), told(8, 20, ";"))
    assert by_row(found) == {0: 0b11, 3: 0}, "the second is hot for half of it, the third loud"


def test_each_reading_has_the_label_of_its_own_time(tmp_path: Path) -> None:
    found = known(tmp_path, READINGS, told(0, 10, "still"), told(10, 17, "moving"))
    assert by_row(found) == {0: [0] * 8, 1: [0] * 6 + [1] * 2, 2: [0] * 2 + [1] * 6}
    assert found.labels_N.dtype == np.int64


def test_of_readings_that_contradict_each_other_no_window_is_made(tmp_path: Path) -> None:
    found = known(tmp_path, READINGS, told(0, 20, "still"), told(9, 10, "moving"))
    assert by_row(found) == {0: [0] * 8, 3: [0] * 8}


def test_windows_are_normal_unless_told_and_none_where_an_anomaly_touches_them(
    tmp_path: Path,
) -> None:
    found = known(tmp_path, ODD, told(11.5, 20, "anomaly"), told(0, 6, "normal"))
    assert by_row(found) == {0: 0, 3: 1, 5: -1}
    teaches_N = truths_of(ODD, toy.SLICING).teaches_N(found.labels_N)
    assert teaches_N.tolist() == [True, False, True]


def agreement(folder: Path, task: Task, answers_ND: Floats, *annotations: Annotation) -> Agreement:
    """Of windows at the first ``STARTS`` with these answers, of which a row of NaN is none."""
    with closing(open_store(folder / "store")) as connection:
        store = WindowStore(connection, task, toy.SLICING, 0.75)
        starts = STARTS[: len(answers_ND)]
        store.add([Window("toy", start, np.zeros((8, 3), np.float32)) for start in starts])
        store.annotate(annotations)
        answered_N = np.asarray(np.isfinite(answers_ND).all(axis=1))
        marks = store.marks_of(np.nan_to_num(answers_ND), answered_N)
        store.predicted(Mark("", *both) for both in zip(starts, marks, strict=True))
        assert store.unpredicted(9) == []
        return store.counts().agreement


def test_labels_of_readings_are_compared_with_those_that_were_predicted(tmp_path: Path) -> None:
    answers_NTK = np.zeros((3, 8, len(READINGS.labels)), np.float32)
    answers_NTK[0, :, 0], answers_NTK[1, :, 0] = 1, 0.9  # all still; what follows is half moving
    answers_NTK[2] = np.nan
    both = told(0, 8, "still"), told(8, 20, "moving")
    found = agreement(tmp_path, READINGS, answers_NTK.reshape(3, -1), *both)
    assert (found.judged, found.agreeing) == (2, 1)
    assert found.measures["accuracy"] == 0.75
    assert any("accuracy 0.750" in told for told in measures_of(READINGS, found.measures))


def test_anomalies_that_people_tell_are_compared_with_scores(tmp_path: Path) -> None:
    answers_N2 = np.array([[0.2, 0.5], [0.4, 0.5], [0.4, 0.5], [0.9, 0.5], [0.3, 0.5]], np.float32)
    answers_N2[2] = np.nan
    both = told(0, 8, "normal"), told(12, 30, "anomaly")
    found = agreement(tmp_path, ODD, answers_N2, *both)
    assert (found.judged, found.agreeing) == (3, 2)  # of another, nothing was told but in part
    assert found.measures["auroc"] == 1.0
    assert (found.measures["found"], found.measures["false_alarms"]) == (0.5, 0.0)


@pytest.mark.parametrize(("task", "label"), [(READINGS, "still"), (ODD, "anomaly")])
def test_what_an_earlier_version_kept_of_a_prediction_is_not_compared(
    task: Task, label: str, tmp_path: Path
) -> None:
    with closing(open_store(tmp_path / "store")) as connection:
        store = WindowStore(connection, task, toy.SLICING, 0.75)
        store.add([Window("toy", STARTS[0], np.zeros((8, 3), np.float32))])
        store.annotate([told(0, 8, label)])
        connection.execute("UPDATE windows SET predicted = 0")
        assert (store.counts().labelled, store.counts().agreement.judged) == (1, 0)
