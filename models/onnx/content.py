"""What an ONNX file may contain: one file, standard operators, and sizes that its bytes bear out.

A model is a program of somebody else's. Everything that opens one (a site's engine, the importer,
the gates) checks it here first, from its bytes. Whether it ends, and what it allocates when it
computes, can't be read off a file: for that it is tried in a child process
(``fl_common.programs.limited_child``).
"""

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from models.onnx.reading import Message, numbers, read_message, refused
from models.onnx.schema import ATTRIBUTE, FUNCTION, MODEL, NODE, SPARSE, TENSOR, TENSOR_TYPE

MOST_ELEMENTS = 1 << 28
"""Of one declared shape: 1 GiB of float32."""
_MOST_NODES = 200_000
"""Of the graph, with each call of the model's own functions replaced by their nodes."""
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_RESERVED = ("ai.onnx", "com.microsoft", "com.ms", "org.pytorch")
"""Domains whose operators ONNX Runtime brings."""
_SETTINGS = "ort_config"
"""A metadata property from which ONNX Runtime can take settings of a session."""
_OTHER_FORMAT = b"ORTM"
"""What ONNX Runtime's own format, which is none of the standard, has at its fifth byte."""
_BITS = {
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((7, 11, 13, 14), 64),
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((25, 26), 2),
    15: 128,
}
"""Bits of an element, by ``TensorProto.DataType``."""
_STRING = 8
_COMPLEX = (14, 15)
_SHAPE_AT = {"ConstantOfShape": 0, "Expand": 1}
"""Operators that make as much as an input says: its place."""


def check_model(content: bytes) -> Message:
    """The model in ``content``, after it was checked.

    Raises:
        InvalidData: it is no ONNX file, names other files, uses operators outside of the standard
            that it does not define, declares more than it has, or is too large or too deep.
    """
    if content[4:8] == _OTHER_FORMAT:
        raise refused("is in ONNX Runtime's own format")
    model = read_message(content, MODEL)
    if model.one("graph") is None:
        raise refused("can't be loaded (it is no ONNX file: it has no graph)")
    _check_settings(model)
    _check_operators(model)
    for part in model.walk():
        if part.kind == TENSOR:
            _check_tensor(part)
        elif part.kind == SPARSE:
            _check_shape("a sparse tensor", numbers(part.many("dims")))
        elif part.kind == TENSOR_TYPE and (shape := part.one("shape")) is not None:
            sizes = (_signed(dim.one("dim_value", 1)) for dim in shape.many("dim"))
            _check_shape("a tensor", [size for size in sizes if size >= 0])
    _check_made(model)
    return model


def tensors_of(model: Message) -> Iterator[Message]:
    """All tensors in the file, at any depth."""
    return (part for part in model.walk() if part.kind == TENSOR)


def names_of(model: Message) -> tuple[list[str], list[str]]:
    """The names of the inputs that have no value in the file, and of the outputs."""
    graph = model.one("graph")
    known = {tensor.text("name") for tensor in graph.many("initializer")}
    inputs, outputs = ([one.text("name") for one in graph.many(k)] for k in ("input", "output"))
    return [name for name in inputs if name not in known], outputs


def _check_settings(model: Message) -> None:
    if any(pair.text("key") == _SETTINGS for pair in model.many("metadata_props")):
        raise refused(f"has a property {_SETTINGS}, which sets up ONNX Runtime")


def _check_operators(model: Message) -> None:
    """Operators are of the standard or the model's own, and these don't unfold without end."""
    own = {_identity(one): one for one in model.many("functions")}
    if taken := [domain for domain, *_ in own if domain.startswith(_RESERVED) or not domain]:
        raise refused(f"defines operators of its own in the domain {taken[0][:80]!r}")
    for part in model.walk():
        if part.kind == NODE and _identity(part) not in own and part.text("domain") not in _DOMAINS:
            name = f"{part.text('domain')[:80]}.{part.text('op_type')[:80]}"
            hint = " (of the formats of quantised models, QDQ is)" if ".Q" in name else ""
            raise refused(f"uses the operator {name}, which is not of the ONNX standard{hint}")
    sizes: dict[tuple[str, ...], float] = {}
    for function in own:
        _unfolded(own, function, sizes, ())
    _bounded(sum(_size(node, sizes) for node in _nodes(model.one("graph"))))


def _unfolded(
    own: Mapping[tuple[str, ...], Message],
    function: tuple[str, ...],
    sizes: dict[tuple[str, ...], float],
    above: tuple[tuple[str, ...], ...],
) -> None:
    """Put into ``sizes`` how many nodes a call of ``function`` stands for."""
    if function in sizes:
        return
    if function in above or len(above) > _DEEPEST_CALL:
        raise refused(f"has functions that call themselves or too many others ({function[1][:80]})")
    calls = list(_nodes(own[function]))
    for node in calls:
        if (called := _identity(node)) in own:
            _unfolded(own, called, sizes, (*above, function))
    sizes[function] = _bounded(sum(_size(node, sizes) for node in calls))


_DEEPEST_CALL = 50


def _nodes(part: Message) -> Iterator[Message]:
    return (one for one in part.walk() if one.kind == NODE)


def _size(node: Message, sizes: Mapping[tuple[str, ...], float]) -> float:
    return sizes.get(_identity(node), 1)


def _bounded(count: float) -> float:
    if count > _MOST_NODES:
        raise refused(f"has more than {_MOST_NODES} nodes, its functions unfolded")
    return count


def _identity(part: Message) -> tuple[str, ...]:
    """Domain, name and overload of a function, or of the one that a node calls."""
    domain, overload = part.text("domain"), part.text("overload")
    name = part.text("name" if part.kind == FUNCTION else "op_type")
    return ("" if domain == "ai.onnx" else domain, name, overload)


def _check_tensor(tensor: Message) -> None:
    """It is here, and has as many values as its shape says."""
    if tensor.one("data_location", 0) != 0:
        raise refused("keeps weights in another file (data_location)")
    name, shape = tensor.text("name")[:80], numbers(tensor.many("dims"))
    count = _check_shape(f"tensor {name!r}", shape)
    if count != _held(tensor, tensor.one("data_type", 0)):
        raise refused(f"has a tensor {name!r} of shape {shape} without as many values")


def _check_shape(what: str, shape: Iterable[int]) -> int:
    sizes = list(shape)
    if any(size < 0 for size in sizes) or math.prod(sizes) > MOST_ELEMENTS:
        raise refused(f"has {what} of shape {sizes[:20]}; it may have {MOST_ELEMENTS} values")
    return math.prod(sizes)


def _held(tensor: Message, kind: int) -> int:
    """How many values it has."""
    if kind == _STRING:
        return len(tensor.many("string_data"))
    if kind not in _BITS:
        raise refused(f"has a tensor of the unknown type {kind}")
    bits = _BITS[kind]
    if (raw := tensor.one("raw_data")) is not None:
        count = math.prod(numbers(tensor.many("dims")))
        return count if len(raw) == -(-count * bits // 8) else -1
    held = sum(
        (
            _count(tensor.many("float_data"), 4),
            _count(tensor.many("double_data"), 8),
            *(_count_ints(tensor.many(f"{name}_data")) for name in ("int32", "int64", "uint64")),
        )
    )
    if bits < 8:  # several in one number
        count = math.prod(numbers(tensor.many("dims")))
        return count if held == -(-count * bits // 8) else -1
    return held // 2 if kind in _COMPLEX else held


def _count(values: list[memoryview], size: int) -> int:
    return sum(len(value) for value in values) // size


def _count_ints(values: list[int | memoryview]) -> int:
    """Numbers, packed or not: each has one byte without the highest bit."""
    return sum(
        1 if isinstance(value, int) else int(np.count_nonzero(np.frombuffer(value, np.uint8) < 128))
        for value in values
    )


def _check_made(model: Message) -> None:
    """Operators that make a tensor of a shape in the file make no larger one than a file may."""
    known = dict(_constants(model))
    for node in _nodes(model):
        place, inputs = _SHAPE_AT.get(node.text("op_type")), node.many("input")
        if place is not None and place < len(inputs):
            for tensor in known.get(bytes(inputs[place]), ()):
                _check_shape(f"a {node.text('op_type')}", _int64s(tensor))
        for attribute in node.many("attribute"):
            if attribute.text("name") == "shape":
                _check_shape(f"a {node.text('op_type')}", numbers(attribute.many("ints")))


def _constants(model: Message) -> Iterator[tuple[bytes, list[Message]]]:
    """Tensors of int64 by the names that they have in any graph."""
    found: dict[bytes, list[Message]] = {}
    for part in model.walk():
        for tensor in part.many("initializer"):
            found.setdefault(tensor.text("name").encode(), []).append(tensor)
        if part.kind == NODE and part.text("op_type") == "Constant" and part.many("output"):
            values = (one.one("t") for one in part.many("attribute") if one.kind == ATTRIBUTE)
            made = [value for value in values if value is not None]
            found.setdefault(bytes(part.many("output")[0]), []).extend(made)
    yield from found.items()


def _int64s(tensor: Message) -> list[int]:
    """The values of a shape; -1 and others that stand for something else are left out."""
    if tensor.one("data_type", 0) != _INT64:
        return []
    if (raw := tensor.one("raw_data")) is not None:
        values: list[int] = np.frombuffer(raw, "<i8").tolist()
    else:
        values = numbers(tensor.many("int64_data"))
    return [value for value in values if value > 0]


_INT64 = 7


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
