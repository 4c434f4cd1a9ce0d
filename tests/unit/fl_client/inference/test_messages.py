"""The protocol's messages: the generated code is that of the .proto, tensors come back whole."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from numpy.typing import NDArray

from fl_client.inference.events import prediction_event
from fl_client.inference.oip import open_inference_pb2 as oip
from fl_client.inference.oip.tensors import (
    DATATYPES,
    DTYPES,
    from_contents,
    from_raw,
    to_contents,
    to_raw,
)
from fl_client.inference.prediction import Prediction
from fl_common.errors import InvalidData
from fl_common.wire.cloud_events import from_mqtt, to_binary
from tests.support.samples import TASK

PROTO = Path(oip.__file__).with_name("open_inference.proto")


def in_proto() -> set[str]:
    """Fields and calls of the .proto, each in one line: "Message.field type number"."""
    path: list[str] = []
    found = set()
    for line in re.sub(r"//.*", "", PROTO.read_text("utf-8")).splitlines():
        if block := re.match(r"\s*(?:message|service|oneof) (\w+) \{", line):
            path.append("" if "oneof" in line else block[1])
        if call := re.match(r"\s*rpc (\w+)\((\w+)\) returns \((\w+)\)", line):
            found.add(f"{path[-1]} {call[1]} {call[2]} {call[3]}")
        if each := re.match(r"\s*((?:repeated )?[\w<>, ]+?) (\w+) = (\d+);", line):
            found.add(f"{'.'.join(filter(None, path))}.{each[2]} {each[1]} {each[3]}")
        if line.strip() == "}" or (re.search(r"\w \{\}$", line) and "rpc" not in line):
            path.pop()
    return found


def generated() -> set[str]:
    found = set()
    for service in oip.DESCRIPTOR.services_by_name.values():
        for call in service.methods:
            found.add(f"{service.name} {call.name} {call.input_type.name} {call.output_type.name}")
    for message in oip.DESCRIPTOR.message_types_by_name.values():
        found |= fields_of(message, message.name)
    return found


def fields_of(message: Descriptor, path: str) -> set[str]:
    found = {f"{path}.{f.name} {type_of(f)} {f.number}" for f in message.fields}
    for nested in message.nested_types:
        if not nested.GetOptions().map_entry:
            found |= fields_of(nested, f"{path}.{nested.name}")
    return found


def type_of(field: Any) -> str:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        key, value = message.fields
        return f"map<{type_of(key)}, {type_of(value)}>"
    word = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    name = message.name if message is not None else word
    return f"repeated {name}" if field.is_repeated else name


def test_the_generated_code_is_that_of_the_proto() -> None:
    assert len(in_proto()) > 60
    assert in_proto() == generated()


ARRAYS = [
    *(np.array([[0, 1, 2], [3, 4, 5]], dtype) for dtype in DATATYPES if dtype != "object"),
    np.array([["a", "", "ü"], ["\udcff", "x" * 300, "b"]], object),
    np.zeros((0, 3), np.float32),
    np.array(7, np.int64),
    np.arange(6, dtype=np.float32).reshape(2, 3).T,
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_a_tensor_comes_back_whole(array: NDArray[Any]) -> None:
    described = ("x", DATATYPES[str(array.dtype)], list(array.shape))
    again = from_raw(*described, to_raw(array))
    np.testing.assert_array_equal(again, array)
    assert again.dtype == array.dtype
    contents = to_contents(array)
    assert (contents is None) == (array.dtype == np.float16)
    if contents is not None:
        np.testing.assert_array_equal(from_contents(*described, contents), array)


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "words"),
    [
        ("FP32", [2], b"1234", "has 4 raw bytes, FP32 of shape .2. needs 8"),
        ("FP32", [-1], b"1234", "has shape"),
        ("FP32", [2**62, 4], b"1234", "needs"),
        ("BF16", [2], b"1234", "is not served. Use one of BOOL, INT8"),
        ("BYTES", [1], b"\x05\x00\x00\x00ab", "ends inside an element of BYTES"),
        ("BYTES", [1], b"\x05\x00", "ends inside an element of BYTES"),
        ("BYTES", [2], b"\x01\x00\x00\x00a", "has 1 elements, shape .2. needs 2"),
    ],
)
def test_raw_bytes_that_do_not_fit_are_refused(
    datatype: str, shape: list[int], raw: bytes, words: str
) -> None:
    with pytest.raises(InvalidData, match=words):
        from_raw("x", datatype, shape, raw)


@pytest.mark.parametrize(
    ("datatype", "contents", "words"),
    [
        ("FP32", oip.InferTensorContents(fp64_contents=[1.0]), "has fp64_contents. Use fp32_"),
        ("INT8", oip.InferTensorContents(int_contents=[300]), "Send values of INT8"),
        ("FP16", oip.InferTensorContents(fp32_contents=[1.0]), "Use raw_input_contents"),
        ("FP32", oip.InferTensorContents(), "has 0 elements, shape .1. needs 1"),
    ],
)
def test_typed_contents_that_do_not_fit_are_refused(
    datatype: str, contents: oip.InferTensorContents, words: str
) -> None:
    assert datatype in DTYPES
    with pytest.raises(InvalidData, match=words):
        from_contents("x", datatype, [1], contents)


def test_a_prediction_is_an_event() -> None:
    probabilities_NK = np.array([[1, 0, 0], [0.25, 0.5, 0.25]], np.float32)
    prediction = Prediction("ab" * 32, TASK.labels, probabilities_NK, seconds=0.001)
    time = datetime(2026, 1, 31, 12, tzinfo=UTC)
    start_ns = 1_700_000_000_123_456_789
    event = prediction_event("/sites/7", TASK, prediction, 1, start_ns, "by2", time, 0.02)
    assert from_mqtt(to_binary(event)) == event
    assert event.type == "org.jointhedots.prediction.v1"
    assert event.id == "toy/1700000000123456789/by2"
    assert event.data == {
        "task": "toy",
        "label": "moving",
        "probability": 0.5,
        "probabilities": {"still": 0.25, "moving": 0.5, "falling": 0.25},
        "window_start_ns": 1_700_000_000_123_456_789,
        "window_s": 0.16,
        "model": "ab" * 32,
        "latency_s": 0.02,
    }
