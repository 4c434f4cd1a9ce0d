"""ONNX files as an attacker writes them: small, and well-formed for the library that reads them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    helper,
    numpy_helper,
)

from tests.support.model_files import published

OUTPUT = "taken"


def outside(name: str, file: str, size: int) -> TensorProto:
    """A tensor of bytes whose content is another file's."""
    tensor = TensorProto(name=name, data_type=TensorProto.UINT8, dims=[size])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=file)
    return tensor


def model_of(
    nodes: list[NodeProto], *initializers: TensorProto, functions: tuple[FunctionProto, ...] = ()
) -> ModelProto:
    """A model with an input ``flag`` and the output ``taken``, of any size, of bytes."""
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    taken = helper.make_tensor_value_info(OUTPUT, TensorProto.UINT8, ["n"])
    graph = helper.make_graph(nodes, "main", [flag], [taken], list(initializers))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=9)


def branch(*nodes: NodeProto, initializers: tuple[TensorProto, ...] = ()) -> GraphProto:
    """A graph for an If, which gives ``taken``."""
    info = helper.make_tensor_value_info(OUTPUT, TensorProto.UINT8, ["n"])
    return helper.make_graph(list(nodes), "branch", [], [info], list(initializers))


def choice(graph: GraphProto) -> NodeProto:
    """An If with this graph for true."""
    other = branch(_constant(helper.make_attribute("value", _plain(OUTPUT))))
    return helper.make_node("If", ["flag"], [OUTPUT], then_branch=graph, else_branch=other)


def _constant(attribute: AttributeProto) -> NodeProto:
    node = helper.make_node("Constant", [], [OUTPUT])
    node.attribute.append(attribute)
    return node


def _sparse(values: TensorProto, indices: TensorProto) -> SparseTensorProto:
    return helper.make_sparse_tensor(values, indices, [10])


def _in_function(tensor: TensorProto) -> ModelProto:
    inner = _constant(helper.make_attribute("value", tensor))
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("own", "Take", [], [OUTPUT], [inner], opsets)
    return model_of([helper.make_node("Take", [], [OUTPUT], domain="own")], functions=(function,))


def _in_training(tensor: TensorProto) -> ModelProto:
    model = model_of([_constant(helper.make_attribute("value", _plain(OUTPUT)))])
    model.training_info.add().algorithm.initializer.append(tensor)
    return model


def _in_list(tensor: TensorProto) -> ModelProto:
    node = _constant(helper.make_attribute("value", _plain(OUTPUT)))
    node.attribute.append(AttributeProto(name="more", type=AttributeProto.TENSORS))
    node.attribute[-1].tensors.append(tensor)
    return model_of([node])


def _nested(tensor: TensorProto) -> ModelProto:
    inner = branch(helper.make_node("Identity", ["t"], [OUTPUT]), initializers=(tensor,))
    return model_of([choice(branch(choice(inner)))])


def _plain(name: str) -> TensorProto:
    return numpy_helper.from_array(np.zeros(1, np.uint8), name)


def _indices() -> TensorProto:
    return numpy_helper.from_array(np.zeros(1, np.int64), "indices")


def _sparse_model(sparse: SparseTensorProto) -> ModelProto:
    model = model_of([helper.make_node("Identity", ["t"], [OUTPUT])])
    model.graph.sparse_initializer.append(sparse)
    return model


def _identity(tensor: TensorProto) -> ModelProto:
    return model_of([helper.make_node("Identity", ["t"], [OUTPUT])], tensor)


def _branch_initializer(tensor: TensorProto) -> ModelProto:
    inner = branch(helper.make_node("Identity", ["t"], [OUTPUT]), initializers=(tensor,))
    return model_of([choice(inner)])


def _branch_constant(tensor: TensorProto) -> ModelProto:
    return model_of([choice(branch(_constant(helper.make_attribute("value", tensor))))])


PLACES: dict[str, Callable[[TensorProto], ModelProto]] = {
    "an initializer": _identity,
    "an initializer of a branch": _branch_initializer,
    "a constant of a branch": _branch_constant,
    "a branch of a branch": _nested,
    "a function": _in_function,
    "a list of tensors in an attribute": _in_list,
    "the values of a sparse tensor": lambda t: _sparse_model(_sparse(t, _indices())),
    "the indices of a sparse tensor": lambda t: _sparse_model(_sparse(_plain("t"), t)),
    "the graph of a training": _in_training,
}
"""A model for each place in which a file can name another one."""


def growing(elements: int) -> ModelProto:
    """A few hundred bytes that make a tensor of so many float32."""
    shape = numpy_helper.from_array(np.array([elements], np.int64), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], [OUTPUT], to=TensorProto.UINT8),
    ]
    return model_of(nodes, shape)


def declared(**fields: Any) -> ModelProto:
    """A model with a tensor that declares more than it has."""
    return _identity(TensorProto(name="t", **fields))


def endless(path: Path, *, above: float | None = None) -> Path:
    """A model for the toy task that computes for ever: always, or for readings ``above``."""
    start = onnx.load(str(published(path, 2)))
    limit = -1e30 if above is None else above
    goes_on = helper.make_node("Identity", ["go"], ["go_on"])
    same = helper.make_node("Identity", ["state"], ["same"])
    truth = [helper.make_tensor_value_info(n, TensorProto.BOOL, []) for n in ("go", "go_on")]
    state = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("state", "same")]
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    body = helper.make_graph(
        [goes_on, same], "body", [turn, truth[0], state[0]], [truth[1], state[1]]
    )
    last = start.graph.node[-1]
    last.output[0] = "before"
    start.graph.initializer.append(numpy_helper.from_array(np.array(limit, np.float32), "limit"))
    start.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["values"], ["top"], keepdims=0),
            helper.make_node("Greater", ["top", "limit"], ["begin"]),
            helper.make_node("Loop", ["", "begin", "before"], ["probabilities"], body=body),
        ]
    )
    path.write_bytes(start.SerializeToString())
    return path


def greedy(path: Path, gigabytes: int) -> Path:
    """A model for the toy task that allocates so much when it is run, by a shape it computes."""
    start = onnx.load(str(published(path, 2)))
    last = start.graph.node[-1]
    last.output[0] = "before"
    part = numpy_helper.from_array(np.array([1 << 14], np.int64), "part")
    times = numpy_helper.from_array(np.array([gigabytes << 14], np.int64), "times")
    start.graph.initializer.extend([part, times])
    start.graph.node.extend(
        [
            helper.make_node("Mul", ["part", "times"], ["count"]),
            helper.make_node("ConstantOfShape", ["count"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            helper.make_node("Add", ["before", "sum"], ["probabilities"]),
        ]
    )
    path.write_bytes(start.SerializeToString())
    return path
