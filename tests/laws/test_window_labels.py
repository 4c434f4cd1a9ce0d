"""Laws of labels and of the split: a set of intervals rules, and no reading is on both sides."""

import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.sensors import Annotation
from fl_client.store.database import open_store
from fl_client.store.window_reading import read_labelled
from fl_client.store.windows import WindowStore
from fl_client.windows import SECOND, Window
from fl_client.windows.labels import labels_of
from fl_client.windows.split import DAY_NS, HeldOut, Labelled, Split
from tests.support import windowing as toy

LENGTH, STEP = 8 * toy.PERIOD, 4 * toy.PERIOD
ticks = st.integers(0, 60)
annotations = st.lists(
    st.tuples(ticks, st.integers(1, 30), st.sampled_from([*toy.TASK.labels, "unknown"])), max_size=8
).map(
    lambda drawn: [
        Annotation(
            str(n), toy.T0 + start * toy.PERIOD, toy.T0 + (start + ticks) * toy.PERIOD, label
        )
        for n, (start, ticks, label) in enumerate(drawn)
    ]
)
shares = st.sampled_from([0.1, 0.5, 0.75, 1.0])
STARTS = [toy.T0 + k * STEP for k in range(15)]


def by_counting(start: int, known: list[Annotation], share: float) -> int:
    """The rule again, tick by tick."""
    ticks_in = [start + i * toy.PERIOD for i in range(8)]
    ruling = [
        index
        for index, label in enumerate(toy.TASK.labels)
        if sum(any(a.label == label and a.from_ns <= t < a.to_ns for a in known) for t in ticks_in)
        >= share * 8
    ]
    return ruling[0] if len(ruling) == 1 else -1


@given(known=annotations, share=shares)
def test_the_label_is_that_of_the_intervals_that_cover_the_share(
    known: list[Annotation], share: float
) -> None:
    found = labels_of(np.array(STARTS), LENGTH, known, toy.TASK.labels, share)
    assert found.tolist() == [by_counting(start, known, share) for start in STARTS]


@settings(max_examples=25)
@given(known=annotations, share=shares, data=st.data())
def test_labels_in_the_store_do_not_depend_on_what_came_first(
    known: list[Annotation], share: float, data: st.DataObject
) -> None:
    windows = [Window("toy", s, np.full((8, 3), s % 97, np.float32)) for s in STARTS]
    events: list[Annotation | Window] = data.draw(
        st.permutations([*known, *windows, *windows[:3], *known[:2]])
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.sqlite"
        with closing(open_store(path)) as connection:
            store = WindowStore(connection, toy.TASK, toy.SLICING, share)
            for event in events:
                if isinstance(event, Window):
                    store.add([event])
                else:
                    store.annotate([event])
        labelled = read_labelled(path, toy.TASK, toy.SLICING)
    expected = {s: by_counting(s, known, share) for s in STARTS}
    pairs = zip(labelled.starts_N.tolist(), labelled.labels_N.tolist(), strict=True)
    assert dict(pairs) == {s: label for s, label in expected.items() if label >= 0}
    assert (labelled.values_NTC[:, 0, 0] == labelled.starts_N % 97).all()


@given(
    starts=st.lists(st.integers(0, 4 * DAY_NS // STEP).map(lambda k: k * STEP), unique=True),
    piece=st.sampled_from([1.0, 7.5, 3600.0]),
    every=st.integers(2, 5),
)
def test_a_held_out_reading_is_never_trained_on_and_a_day_shares_none_with_another(
    starts: list[int], piece: float, every: int
) -> None:
    starts_N = np.array(sorted(starts), np.int64)
    count = len(starts_N)
    gap, span = toy.SLICING.gap_ns, 7 * toy.PERIOD
    split = Split(HeldOut(piece, every), gap, span + gap)
    values = starts_N.astype(np.float64).reshape(count, 1, 1)
    labelled = Labelled(starts_N, values, np.zeros(count, np.int64))  # type: ignore[arg-type]
    training, held_out = split.training(labelled), split.held_out_windows(labelled)
    piece_ns = round(piece * SECOND)

    def reading_pieces(start: float, length: int) -> set[int]:
        return {(int(start) - gap) // length, (int(start) + span + gap) // length}

    for start, block in zip(training.values[:, 0, 0], training.block_of, strict=True):
        assert not {p for p in reading_pieces(start, piece_ns) if p % every == every - 1}
        (day,) = reading_pieces(start, DAY_NS)
        assert training.blocks[block] == str(np.datetime64(day, "D"))
    for start in held_out.values[:, 0, 0]:
        assert len(reading_pieces(start, DAY_NS)) == 1
        assert {p % every for p in reading_pieces(start, piece_ns)} == {every - 1}
