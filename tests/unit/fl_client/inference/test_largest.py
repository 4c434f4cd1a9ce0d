"""Of an output that the description names, the largest values are answered, and their places."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from fl_client.inference.network import MOST_PLACES, Network
from fl_client.inference.onnx_model import OnnxModel
from fl_common.errors import InvalidData
from fl_common.functions.asked import MOST_NUMBERS, Asker, checked
from tests.support.networks import networks_in, placed, same, spec

PLAIN: dict[str, Any] = {"state": {}, "constants": {}, "rate_hz": None, "hop": None}
STEPS, PLACES = 40, 18_710


def made(content: bytes, **changes: Any) -> Network:
    about = {**PLAIN, "shapes": [[1, 2, 4]], "largest": ["y"], **changes}
    return Network(OnnxModel(content, threads=1), spec(**about))


def test_each_row_gives_the_place_of_its_largest_value_and_that_value() -> None:
    rows = np.array([[[0.1, 0.9, 0.2, 0.9], [-3.0, -5.0, -2.5, -4.0]]], np.float32)
    row, _ = made(same("n", "m")).ask(rows)
    assert row.tolist() == pytest.approx([1, 0.9, 2, -2.5])
    assert made(same("n", "m"), largest=[]).ask(rows)[0].tolist() == rows.ravel().tolist()


def test_whole_numbers_are_compared_as_they_are() -> None:
    network = made(same("n", "m", dtype=TensorProto.INT64))
    assert network.ask(np.array([[[7, 9, 8, 1]]], np.float32))[0].tolist() == [1, 9]


def test_what_is_not_finite_is_answered_as_such() -> None:
    row, _ = made(same("n", "m")).ask(np.array([[[1, np.nan, 3, 2]]], np.float32))
    assert row[0] == 1
    assert np.isnan(row[1])


@pytest.mark.parametrize(
    ("content", "changes", "words"),
    [
        (same("n", "m"), {"largest": ["z"]}, "the largest of 'z', no output of the file"),
        (same("n", MOST_PLACES + 1), {}, "last axis has more than 16,777,216 places"),
        (same("n", "m"), {"largest": ["y", "y"]}, r"an output twice, or one that is a state \(y, "),
        (same("n", "m"), {"state": {"s": "y"}, "rate_hz": 1.0, "hop": 1}, "one that is a state"),
    ],
)
def test_a_description_that_can_not_be_of_the_file_is_refused(
    content: bytes, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidData, match=words):
        made(content, **changes)


def test_rows_without_a_place_have_no_largest_value() -> None:
    with pytest.raises(InvalidData, match="has no largest value among 0 places"):
        made(same("n", "m")).ask(np.empty((1, 2, 0), np.float32))


def test_a_description_without_it_is_written_as_before() -> None:
    assert "largest" not in spec().to_fields()
    assert spec(largest=["total"]).to_fields()["largest"] == ["total"]


def test_a_box_answers_what_is_far_too_much_to_be_told(tmp_path: Path) -> None:
    assert STEPS * PLACES > MOST_NUMBERS
    networks = networks_in(tmp_path, "reader", "all")
    about = {**PLAIN, "shapes": [[1, STEPS, PLACES]]}
    placed(networks.slot("reader"), tmp_path, same("n", PLACES), **about, largest=["y"])
    placed(networks.slot("all"), tmp_path, same("n", PLACES), **about)
    question = np.zeros((1, STEPS, PLACES), np.float32)
    question[0, np.arange(STEPS), 100 * np.arange(STEPS)] = 0.5
    asker = Asker(0, "", 0)
    for name in ("reader", "all"):
        networks.swap(name)
    row = checked(networks.ask("reader", asker, question, 10.0))
    assert row[::2].tolist() == (100 * np.arange(STEPS)).tolist()
    assert set(row[1::2].tolist()) == {0.5}
    with pytest.raises(InvalidData, match="748,400 numbers: is more than a function can be told"):
        checked(networks.ask("all", asker, question, 10.0))
