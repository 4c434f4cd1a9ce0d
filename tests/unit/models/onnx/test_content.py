"""The checker of ONNX files: what it knows of the format, and that no bytes make it fall over."""

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from fl_common.errors import InvalidData
from models.onnx.content import check_model, tensors_of
from models.onnx.reading import numbers
from models.onnx.schema import MESSAGES, MODEL, REFUSED
from tests.support.hostile_models import OUTPUT, branch, choice, declared, model_of
from tests.support.model_files import doubler, published

_KINDS = {
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_STRING: "bytes",
    FieldDescriptor.TYPE_BYTES: "bytes",
}
_ALIKE = {"SparseTensor": "Tensor", "Optional": "Sequence"}
"""Messages with the same fields as another, whose entry they share."""


def of_the_standard() -> Iterator[tuple[str, int, str, str, bool]]:
    """Every field that the package onnx knows of: message, number, name, kind, many."""
    seen: set[str] = set()
    waiting: list[Descriptor] = [onnx.ModelProto.DESCRIPTOR]
    while waiting:
        message = waiting.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        for field in message.fields:
            inner = field.message_type
            kind = inner.name if inner else _KINDS.get(field.type, "int")
            yield message.name, field.number, field.name, _ALIKE.get(kind, kind), field.is_repeated
            if inner and (message.name, field.number) not in REFUSED:
                waiting.append(inner)


def test_the_fields_are_those_of_the_standard_and_each_left_out_is_named() -> None:
    """A field that a new version of onnx has fails here: it is taken in, or refused by name."""
    known = {
        (message, number, field.name, field.kind, field.many)
        for message, fields in MESSAGES.items()
        for number, field in fields.items()
    }
    standard = {(_ALIKE.get(first, first), *rest) for first, *rest in of_the_standard()}
    assert {(m, n): name for m, n, name, *_ in standard - known} == REFUSED
    assert known <= standard


def test_what_it_reads_is_what_the_library_reads(tmp_path: Path) -> None:
    content = published(tmp_path / "model.onnx", 1).read_bytes()
    model, theirs = check_model(content), onnx.load_model_from_string(content)
    assert [t.text("name") for t in tensors_of(model)] == [t.name for t in theirs.graph.initializer]
    assert [numbers(t.many("dims")) for t in tensors_of(model)] == [
        list(t.dims) for t in theirs.graph.initializer
    ]
    nodes = model.one("graph").many("node")
    assert [n.text("op_type") for n in nodes] == [n.op_type for n in theirs.graph.node]


@pytest.mark.parametrize("file", sorted(Path(onnx.__file__).parent.rglob("data/*/*/model.onnx")))
def test_the_standards_own_models_pass(file: Path) -> None:
    content = file.read_bytes()
    if b"ai.onnx.preview.training" in content:
        with pytest.raises(InvalidData, match="not of the ONNX standard"):
            check_model(content)
    else:
        assert check_model(content).kind == MODEL


@pytest.mark.parametrize(
    "fields",
    [
        {"data_type": TensorProto.FLOAT, "dims": [2, 2], "float_data": [1, 2, 3, 4]},
        {"data_type": TensorProto.INT32, "dims": [3], "int32_data": [1, -1, 300]},
        {"data_type": TensorProto.INT64, "dims": [2], "int64_data": [-1, 1 << 40]},
        {"data_type": TensorProto.DOUBLE, "dims": [1], "double_data": [0.5]},
        {"data_type": TensorProto.UINT64, "dims": [2], "uint64_data": [0, 1 << 63]},
        {"data_type": TensorProto.STRING, "dims": [2], "string_data": [b"a", b""]},
        {"data_type": TensorProto.COMPLEX64, "dims": [2], "float_data": [1, 2, 3, 4]},
        {"data_type": TensorProto.INT4, "dims": [3], "raw_data": b"ab"},
        {"data_type": TensorProto.INT4, "dims": [3], "int32_data": [1, 2]},
        {"data_type": TensorProto.BFLOAT16, "dims": [], "raw_data": b"ab"},
        {"data_type": TensorProto.FLOAT, "dims": [0, 5]},
    ],
)
def test_a_tensor_has_as_many_values_as_its_shape_says(fields: dict[str, object]) -> None:
    check_model(declared(**fields).SerializeToString())
    (name,) = {name for name in fields if name.endswith("_data")} or {"float_data"}
    more = {"raw_data": fields.get("raw_data", b"") + b"a"} if name == "raw_data" else {}  # type: ignore[operator]
    more = more or {name: [*fields.get(name, []), *fields.get(name, [1])][:9]}  # type: ignore[misc]
    with pytest.raises(InvalidData, match="without as many values"):
        check_model(declared(**{**fields, **more}).SerializeToString())


def test_graphs_in_each_other_are_bounded() -> None:
    node = onnx.helper.make_node("Cast", ["flag"], [OUTPUT], to=TensorProto.UINT8)
    for _ in range(20):
        node = choice(branch(node))
    check_model(model_of([node]).SerializeToString())
    for _ in range(11):
        node = choice(branch(node))
    with pytest.raises(InvalidData, match="in each other"):
        check_model(model_of([node]).SerializeToString())


def test_a_field_that_can_be_there_once_is_not_there_twice(tmp_path: Path) -> None:
    """Of two, readers may take the first, the last, or both as one."""
    content = doubler(tmp_path / "model.onnx", TensorProto.FLOAT).read_bytes()
    graph = onnx.ModelProto(graph=onnx.load_model_from_string(content).graph)
    with pytest.raises(InvalidData, match=r"ModelProto\.graph twice"):
        check_model(content + graph.SerializeToString())


@pytest.mark.parametrize("added", [b"\x9a\x06\x01x", b"\x9b\x06\x9c\x06", b"\x98\x06\x01"])
def test_a_field_that_nobody_knows_is_refused(added: bytes, tmp_path: Path) -> None:
    content = doubler(tmp_path / "model.onnx", TensorProto.FLOAT).read_bytes()
    with pytest.raises(InvalidData, match="has no field 99"):
        check_model(content + added)


def said_of(content: bytes) -> str:
    """Why these bytes are refused; nothing for a model."""
    try:
        check_model(content)
    except InvalidData as error:
        return str(error)
    return ""


@given(content=st.binary(max_size=200))
def test_no_bytes_are_anything_but_a_model_or_one_clear_error(content: bytes) -> None:
    assert "\n" not in said_of(content)


@given(at=st.integers(0, 10**6), what=st.binary(min_size=1, max_size=8))
def test_damage_gives_one_clear_error(
    at: int, what: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = published(tmp_path_factory.getbasetemp() / "whole.onnx", 1).read_bytes()
    at %= len(whole)
    assert "\n" not in said_of(whole[:at] + what + whole[at + len(what) :])
