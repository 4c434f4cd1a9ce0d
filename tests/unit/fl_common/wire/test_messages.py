"""What travels: vocabulary to records and back, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from fl_common.plan import Instruction
from fl_common.vocabulary import Evaluation, LocalUpdate, Refusal, RefusalReason
from fl_common.wire import messages as wire
from fl_common.wire import summary as wire_log
from tests.support.samples import plan

PARAMETERS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "bias": np.array([np.pi, -0.0], np.float32),
}
ONE = np.zeros(1, np.float32)
UPDATE = LocalUpdate("a", "run", 3, PARAMETERS, 12.5)
REFUSAL = Refusal("a", "run", 3, RefusalReason.BUDGET, "no block left")
EVALUATION = Evaluation(3.0, 4.0, 0.25)
DETAILED = Evaluation(3.0, 4.0, 0.25, (2.0, -1.5))


def test_an_instruction_comes_back_as_it_was_sent() -> None:
    sent = Instruction(plan(), 7, PARAMETERS)
    received = wire.InstructionReader().read(wire.InstructionWriter(sent).content())
    assert received.plan == sent.plan
    assert received.round == 7
    assert list(received.parameters) == list(PARAMETERS)
    for name, array in PARAMETERS.items():
        np.testing.assert_array_equal(received.parameters[name], array)


def test_parameters_shared_by_a_round_are_decoded_once() -> None:
    writer, reader = (
        wire.InstructionWriter(Instruction(plan(), 1, PARAMETERS)),
        wire.InstructionReader(),
    )
    first, second = reader.read(writer.content()), reader.read(writer.content())
    assert first.parameters is second.parameters
    other = wire.InstructionWriter(Instruction(plan(), 2, {"weight": np.zeros(1, np.float32)}))
    assert list(reader.read(other.content()).parameters) == ["weight"]


@pytest.mark.parametrize("answer", [REFUSAL, EVALUATION, DETAILED])
def test_a_refusal_and_an_evaluation_come_back(answer: Refusal | Evaluation) -> None:
    assert wire.read_answer(wire.write_answer(answer)) == answer


@pytest.mark.parametrize("details", [["a"], [1], 1.0, "x"])
def test_details_that_are_no_numbers_are_refused(details: object) -> None:
    content = wire.write_answer(EVALUATION)
    head = content["head"]
    assert isinstance(head, ConfigRecord)
    head["details"] = details  # type: ignore[assignment]
    with pytest.raises(wire.WireError, match="not a list of numbers"):
        wire.read_answer(content)


@pytest.mark.parametrize("answer", [REFUSAL, EVALUATION, UPDATE])
def test_a_refusal_is_told_without_reading_the_rest(
    answer: Refusal | Evaluation | LocalUpdate,
) -> None:
    reason = wire_log.read_reason(wire.write_answer(answer))
    assert reason == (answer.reason if isinstance(answer, Refusal) else None)


def test_an_update_comes_back_with_its_weight() -> None:
    received = wire.read_answer(wire.write_answer(UPDATE), PARAMETERS)
    assert isinstance(received, LocalUpdate)
    assert (received.site, received.run, received.round, received.weight) == ("a", "run", 3, 12.5)
    for name, array in PARAMETERS.items():
        np.testing.assert_array_equal(received.delta[name], array)


def test_an_update_in_another_order_comes_back_under_the_right_names() -> None:
    turned = replace(UPDATE, delta=dict(reversed(PARAMETERS.items())))
    received = wire.read_answer(wire.write_answer(turned), PARAMETERS)
    assert isinstance(received, LocalUpdate)
    assert list(received.delta) == list(PARAMETERS)
    for name, array in PARAMETERS.items():
        np.testing.assert_array_equal(received.delta[name], array)


def test_an_update_of_another_size_or_that_nobody_expects_is_refused() -> None:
    content = wire.write_answer(UPDATE)
    with pytest.raises(wire.WireError, match="values"):
        wire.read_answer(content, {"weight": PARAMETERS["weight"]})
    with pytest.raises(wire.WireError, match="none may be"):
        wire.read_answer(content)
    content["arrays"] = ArrayRecord({"values": content["arrays"]["values"], "more": Array(ONE)})
    with pytest.raises(wire.WireError, match="more"):
        wire.read_answer(content, PARAMETERS)


@pytest.mark.parametrize("layout", ["", "[]", '{"w": 3}', '{"w": [-1]}', '{"w": [true]}', "{}"])
def test_a_damaged_layout_is_refused(layout: str) -> None:
    content = wire.InstructionWriter(Instruction(plan(), 7, PARAMETERS)).content()
    content.config_records["head"]["layout"] = layout
    with pytest.raises(wire.WireError):
        wire.InstructionReader().read(content)


def test_a_long_detail_is_cut_so_that_nothing_can_hide_in_it() -> None:
    long = Refusal("a", "run", 3, RefusalReason.DATA, "x" * 100_000)
    received = wire.read_answer(wire.write_answer(long))
    assert isinstance(received, Refusal)
    assert len(received.detail) == 2000


def _changed(key: str, value: object) -> RecordDict:
    content = wire.write_answer(UPDATE)
    content.config_records["head"][key] = value  # type: ignore[assignment]
    return content


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"head": ConfigRecord({"kind": "update"})}),
        _changed("kind", "other"),
        _changed("round", "3"),
        _changed("round", True),
        _changed("weight", 1),
        _changed("site", 1.0),
    ],
)
def test_damaged_heads_are_refused(content: RecordDict) -> None:
    with pytest.raises(wire.WireError):
        wire.read_answer(content, PARAMETERS)


@pytest.mark.parametrize(
    "array",
    [
        Array("float32", (2,), "float32-little-endian", b"garbage"),
        Array("float32", (2,), "float32-little-endian", b""),
        Array("float32", (2,), "float32-little-endian", bytes(12)),
        Array("float32", (-2,), "float32-little-endian", bytes(8)),
        Array("float32", (2,), "torch.tensor", bytes(8)),
        Array("float64", (2,), "float32-little-endian", bytes(16)),
        Array(np.zeros(2, np.float32)),
        Array(np.array(["text"])),
    ],
)
def test_damaged_arrays_are_refused(array: Array) -> None:
    content = wire.write_answer(UPDATE)
    content["arrays"] = ArrayRecord({"values": array})
    with pytest.raises(wire.WireError):
        wire.read_answer(content, PARAMETERS)


def test_bytes_are_counted_for_arrays_and_head() -> None:
    content = wire.write_answer(UPDATE)
    arrays = sum(array.nbytes for array in PARAMETERS.values())
    assert arrays < wire_log.count_bytes(content) < arrays + 600


def test_bytes_are_counted_as_flower_does_but_for_what_it_can_not_count() -> None:
    usual = RecordDict({"a": ConfigRecord({"k": "text", "n": [1, 2], "b": True, "x": b"123"})})
    assert wire_log.count_bytes(usual) == sum(record.count_bytes() for record in usual.values())
    assert wire_log.count_bytes(RecordDict({"a": ConfigRecord({"k": "", "n": []})})) == 2
