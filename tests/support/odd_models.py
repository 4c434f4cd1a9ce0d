"""ONNX files that behave oddly on some windows, as a hostile candidate might."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from fl_common.vocabulary import NetSpec
from models.lineage import Lineage, ModelMetadata, properties_of
from tests.support.model_files import model_of
from tests.support.samples import TASK

ODD_ABOVE = 1.5
"""Readings above this make a model odd."""
_make, _value = helper.make_node, helper.make_tensor_value_info


def odd(path: Path, how: str, answer: int = 0) -> Path:
    """A model that answers ``answer``, until a reading of its batch is above ``ODD_ABOVE``.

    Then it is "not finite", "mixes its batch" (answers 0), "does not end" or "repeats rows".
    "draws" answers by chance, and in another way at each call of a session.
    """
    classes, features = len(TASK.labels), int(np.prod(TASK.window_shape))
    constants = {
        "weights": np.zeros((features, classes), np.float32),
        "bias": 5.0 * np.eye(classes, dtype=np.float32)[answer],
        "other": 50.0 * np.eye(classes, dtype=np.float32)[0],
        "bound": np.float32(ODD_ABOVE),
        "half": np.float32(0.5),
        "nan": np.float32(np.nan),
        "trips": np.int64(2**60),
        "yes": np.bool_(True),
    }
    inputs = {"values": ("N", *TASK.window_shape)}
    model = model_of(_nodes(how), inputs, {"probabilities": ("N", classes)}, constants)
    lineage = Lineage("0.1.0", "run", 3, NetSpec("models.nets.logistic.Logistic"), {"unit": "none"})
    helper.set_model_props(model, properties_of(ModelMetadata.of(TASK, lineage, "0" * 64)))
    onnx.save(model, path)
    return path


def _nodes(how: str) -> list[onnx.NodeProto]:
    chance = [
        _make("RandomUniform", [], ["drawn"], shape=[1], seed=7.0),
        _make("Greater", ["drawn", "half"], ["high"]),
        _make("Where", ["high", "other", "bias"], ["shift"]),
    ]
    usual = _make("Identity", ["logits"], ["else"])
    branches = {
        "then_branch": _branch(_odd_node(how), "then"),
        "else_branch": _branch(usual, "else"),
    }
    return [
        *(chance if how == "draws" else [_make("Identity", ["bias"], ["shift"])]),
        _make("Flatten", ["values"], ["flat"]),
        _make("MatMul", ["flat", "weights"], ["products"]),
        _make("Add", ["products", "shift"], ["logits"]),
        _make("ReduceMax", ["flat"], ["highest"], keepdims=0),
        _make("Greater", ["highest", "bound"], ["is_odd"]),
        _make("If", ["is_odd"], ["chosen"], **branches),
        _make("Softmax", ["chosen"], ["probabilities"], axis=1),
    ]


def _odd_node(how: str) -> onnx.NodeProto:
    """Makes ``then`` of ``logits``."""
    made = {
        "not finite": _make("Add", ["logits", "nan"], ["then"]),
        "mixes its batch": _make("Add", ["logits", "other"], ["then"]),
        "does not end": _make("Loop", ["trips", "yes", "logits"], ["then"], body=_endless()),
        "repeats rows": _make("Concat", ["logits", "logits"], ["then"], axis=0),
        "draws": _make("Identity", ["logits"], ["then"]),
    }
    return made[how]


def _endless() -> onnx.GraphProto:
    trip, go = _value("trip", TensorProto.INT64, []), _value("go", TensorProto.BOOL, [])
    went = _value("went", TensorProto.BOOL, [])
    a, b = (_value(name, TensorProto.FLOAT, None) for name in "ab")
    nodes = [_make("Identity", ["go"], ["went"]), _make("Identity", ["a"], ["b"])]
    return helper.make_graph(nodes, "body", [trip, go, a], [went, b])


def _branch(node: onnx.NodeProto, output: str) -> onnx.GraphProto:
    return helper.make_graph([node], output, [], [_value(output, TensorProto.FLOAT, None)])
