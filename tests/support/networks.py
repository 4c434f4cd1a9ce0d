"""Small networks without a task: one that carries a state, and what asks it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from fl_client.inference.networks import BoxNetworks
from fl_client.inference.slots import ModelSlot
from fl_common.components.network import NetworkSpec
from fl_common.functions.asked import Asker

STEP_NS = 1_000_000
SPEC: dict[str, Any] = {
    "inputs": ["x"], "shapes": [[1, 4]], "state": {"s": "next"}, "constants": {"k": 2},
    "rate_hz": 1000.0, "hop": 1, "megabytes": 200,
}  # fmt: skip
ENGINE = {
    "threads": 1, "largest_batch": 4, "call_seconds": 10,
    "trial": {"seconds": 60, "megabytes": 1024},
}  # fmt: skip


def counting(factor: float = 1.0, broken: bool = False, raises: bool = False) -> bytes:
    """``total`` (1, 1) is ``factor * sum(x) * k`` and the state (1, 1), whose next value it is.

    ``x`` is (N, any), and ``k`` an int64. A ``broken`` one gives NaN where the sum is above 100,
    and one that ``raises`` can compute with no window but zeros.
    """
    numbers = [
        helper.make_tensor("factor", TensorProto.FLOAT, [], [factor]),
        helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        helper.make_tensor("most", TensorProto.FLOAT, [], [100.0]),
        helper.make_tensor("nan", TensorProto.FLOAT, [], [float("nan")]),
    ]
    graph = helper.make_graph(
        _nodes(broken, raises),
        "counting",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "any"]),
            helper.make_tensor_value_info("s", TensorProto.FLOAT, [1, 1]),
            helper.make_tensor_value_info("k", TensorProto.INT64, []),
        ],
        [
            helper.make_tensor_value_info("total", TensorProto.FLOAT, [1, 1]),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, 1]),
        ],
        numbers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _nodes(broken: bool, raises: bool) -> list[Any]:
    last = "raw" if broken else "total"
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["sum"]),
        helper.make_node("Cast", ["k"], ["times"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["sum", "times"], ["product"]),
        helper.make_node("Mul", ["product", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "s"], [last]),
        helper.make_node("Identity", ["total"], ["next"]),
    ]
    if broken:
        nodes[-1:] = [
            helper.make_node("Greater", ["raw", "most"], ["large"]),
            helper.make_node("Where", ["large", "nan", "raw"], ["total"]),
            helper.make_node("Identity", ["raw"], ["next"]),
        ]
    if raises:
        place = helper.make_node("Cast", ["sum"], ["place"], to=TensorProto.INT64)
        nodes[1:1] = [place, helper.make_node("Gather", ["axes", "place"], ["found"])]
    return nodes


def placed(slot: ModelSlot, folder: Path, content: bytes, **changes: Any) -> str:
    """A network in ``slot``, with its description; its digest."""
    file = folder / "network.onnx"
    file.write_bytes(content)
    digest = slot.place(file)
    slot.note_about(digest, {**SPEC, **changes})
    slot.activate(digest)
    return digest


def networks_in(
    folder: Path, *names: str, megabytes: float = 1000, every_ns: float = STEP_NS
) -> BoxNetworks:
    """A box's networks of these names, of which none is there yet."""
    return BoxNetworks(names, megabytes, folder / "networks", ENGINE, every_ns)


def asked(networks: BoxNetworks, name: str, window: int, value: float = 1.0, **who: Any) -> float:
    """The answer about the window of that number, whose four values are all the same."""
    asker = Asker(**{"function": 0, "stream": "", "start_ns": window * STEP_NS, **who})
    row = networks.ask(name, asker, np.full((1, 4), value, np.float32), 10.0)
    return float(row[0])


def spec(**changes: Any) -> NetworkSpec:
    """The description of ``counting``, of which some is changed."""
    return NetworkSpec.read({"network": {**SPEC, **changes}})


def same(*last: int | str, dtype: int = TensorProto.FLOAT) -> bytes:
    """``y`` is ``x``, of the shape (1, *last)."""
    values = [helper.make_tensor_value_info(name, dtype, [1, *last]) for name in "xy"]
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "same", values[:1], values[1:])
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
