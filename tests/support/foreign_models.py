"""ONNX models as other tools write them by default; made without these tools."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def classifier(zipmap: bool) -> onnx.ModelProto:
    """A linear classifier as skl2onnx 1.20 writes it, by default with ZipMap at its end."""
    inputs = [helper.make_tensor_value_info("X", FLOAT, [None, 2])]
    linear = helper.make_node(
        "LinearClassifier", ["X"], ["label", "probabilities"], domain="ai.onnx.ml",
        classlabels_ints=[0, 1], coefficients=[-1.0, 0.5, 1.0, -0.5], intercepts=[0.1, -0.1],
        multi_class=0, post_transform="LOGISTIC",
    )  # fmt: skip
    label = helper.make_tensor_value_info("label", INT64, [None])
    if not zipmap:
        found = helper.make_tensor_value_info("probabilities", FLOAT, [None, 2])
        return _model([linear], inputs, [label, found], 18)
    node = helper.make_node(
        "ZipMap", ["probabilities"], ["output_probability"], domain="ai.onnx.ml",
        classlabels_int64s=[0, 1],
    )  # fmt: skip
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(INT64, helper.make_tensor_type_proto(FLOAT, []))
    )
    maps = helper.make_value_info("output_probability", kind)
    return _model([linear, node], inputs, [label, maps], 9)


def listed(optional: bool) -> onnx.ModelProto:
    """A model whose output is a sequence of tensors, or an optional one."""
    tensor = helper.make_tensor_type_proto(FLOAT, [None, 2])
    if optional:
        node = helper.make_node("Optional", ["X"], ["Y"])
        kind = helper.make_optional_type_proto(tensor)
    else:
        node = helper.make_node("SequenceConstruct", ["X", "X"], ["Y"])
        kind = helper.make_sequence_type_proto(tensor)
    inputs = [helper.make_tensor_value_info("X", FLOAT, [None, 2])]
    return _model([node], inputs, [helper.make_value_info("Y", kind)], 18)


def in_bfloat16() -> onnx.ModelProto:
    """A sum in bfloat16, which ONNX Runtime does not have for a processor."""
    nodes = [
        helper.make_node("Cast", ["X"], ["b"], to=TensorProto.BFLOAT16),
        helper.make_node("Conv", ["b", "w"], ["s"]),
        helper.make_node("Cast", ["s"], ["Y"], to=FLOAT),
    ]
    weights = helper.make_tensor("w", TensorProto.BFLOAT16, [1, 1, 1], [1.0])
    inputs, outputs = (
        [helper.make_tensor_value_info(name, FLOAT, [None, 1, 2])] for name in ("X", "Y")
    )
    return _model(nodes, inputs, outputs, 22, [weights])


def pooled() -> onnx.ModelProto:
    """An operator that ONNX Runtime has, and the reference implementation has not."""
    node = helper.make_node("GlobalLpPool", ["X"], ["Y"], p=2)
    inputs = [helper.make_tensor_value_info("X", FLOAT, ["N", 1, 8])]
    outputs = [helper.make_tensor_value_info("Y", FLOAT, ["N", 1, 1])]
    return _model([node], inputs, outputs, 18)


def quantised(steps_of: str = "QDQ") -> onnx.ModelProto:
    """A quantised layer as ONNX Runtime's ``quantize_static`` writes it, in one of its formats."""
    draws = np.random.default_rng(0)
    weights = draws.integers(-127, 127, (16, 4)).astype(np.int8)
    constants = [
        numpy_helper.from_array(np.asarray(value, kind), name)
        for name, value, kind in (
            ("xs", 0.02, np.float32), ("xz", 3, np.int8), ("ws", 0.004, np.float32),
            ("wz", 0, np.int8), ("ys", 0.03, np.float32), ("yz", -5, np.int8),
        )
    ]  # fmt: skip
    constants.append(numpy_helper.from_array(weights, "w"))
    nodes = [
        helper.make_node("QuantizeLinear", ["X", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"]),
        helper.make_node("MatMul", ["xf", "wf"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "ys", "yz"], ["mq"]),
        helper.make_node("DequantizeLinear", ["mq", "ys", "yz"], ["Y"]),
    ]
    if steps_of == "QOperator":
        names = ["xq", "xs", "xz", "xq", "xs", "xz", "ys", "yz"]
        nodes[1:] = [
            helper.make_node("QLinearAdd", names, ["mq"], domain="com.microsoft"),
            helper.make_node("DequantizeLinear", ["mq", "ys", "yz"], ["Y"]),
        ]
    inputs = [helper.make_tensor_value_info("X", FLOAT, ["N", 16])]
    outputs = [helper.make_tensor_value_info("Y", FLOAT, ["N", 4])]
    return _model(nodes, inputs, outputs, 13, constants)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    opset: int,
    constants: list[onnx.TensorProto] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "made elsewhere", inputs, outputs, constants or [])
    opsets = [
        helper.make_opsetid("", opset),
        helper.make_opsetid("ai.onnx.ml", 1),
        helper.make_opsetid("com.microsoft", 1),
    ]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)
