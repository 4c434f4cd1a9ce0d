"""What a network's description claims is compared with its file, before anything is asked."""

from typing import Any

import numpy as np
import pytest

from fl_client.inference.network import Network
from fl_client.inference.onnx_model import OnnxModel
from fl_common.errors import InvalidData
from tests.support.networks import counting, spec

HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"inputs": ["y"]}, "names the inputs k, s, y, and the file has k, s, x"),
    ({"inputs": ["x", "s"], "shapes": [[1, 4], [1, 1]], "state": {}}, ""),
    ({"constants": {}}, "names the inputs s, x"),
    ({"state": {"s": "nothing"}}, "no output of the file"),
    ({"state": {"x": "next"}, "inputs": ["s"]}, ""),
    ({"constants": {"k": 2.5}}, "sets 'k'"),
    ({"constants": {"k": [2]}}, "sets 'k'"),
    ({"constants": {"k": "2"}}, "sets 'k'"),
    ({"constants": {"k": None}}, "sets 'k'"),
    ({"constants": {"k": [[1], [2, 3]]}}, "sets 'k'"),
]


def made(**changes: Any) -> Network:
    return Network(OnnxModel(counting(), threads=1), spec(**changes))


@pytest.mark.parametrize(("changes", "words"), HOSTILE)
def test_a_description_of_another_file_is_refused(changes: dict[str, Any], words: str) -> None:
    if not words:  # that of a network without a state, or with another one: the file allows it
        assert made(**changes)
        return
    with pytest.raises(InvalidData, match="the description of a network") as caught:
        made(**changes)
    assert words in str(caught.value)


def test_a_state_is_as_large_as_the_file_says_and_no_larger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fl_client.inference.network.MOST_STATE", 0)
    with pytest.raises(InvalidData, match="carries a state of more than 0 numbers"):
        made()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": ["x", "x"], "shapes": [[1], [1]]}, "names an input twice"),
        ({"constants": {"s": 1}}, "names an input twice"),
        ({"state": {"s": "next", "t": "next"}}, "two states from one output"),
        ({"rate_hz": None}, "does not say how far"),
        ({"shapes": []}, "a shape for each input"),
        ({"shapes": [[10_000_000, 10_000_000]]}, "a shape for each input"),
        ({"surplus": 1}, "can't be read"),
    ],
)
def test_a_description_that_can_be_of_no_file_is_refused(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidData, match=words):
        spec(**changes)


def test_a_question_gets_every_output_but_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    network = made()
    row, state = network.ask(np.ones((1, 4), np.float32))
    assert row.tolist() == [8.0]
    assert {name: array.tolist() for name, array in state.items()} == {"s": [[8.0]]}
    row, state = network.ask(np.ones(4, np.float32), state)
    assert (row.tolist(), state["s"].tolist()) == ([16.0], [[16.0]])


def test_several_inputs_are_asked_as_one_row() -> None:
    network = made(inputs=["x", "s"], shapes=[[1, 1], [1, 1]], state={})
    assert network.ask(np.array([3.0, 1.0], np.float32))[0].tolist() == [7.0, 7.0]
    with pytest.raises(InvalidData, match=r"must be 2 in a row: 1 of x \+ 1 of s"):
        network.ask(np.zeros(3, np.float32))
