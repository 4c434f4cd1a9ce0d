"""Small ONNX files for tests of what runs models; made without torch, as they are on a box."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fl_client.inference.slots import ModelSlot
from fl_common.vocabulary import NetSpec, Task
from models.lineage import Lineage, ModelMetadata, properties_of
from tests.support.samples import TASK

LIMIT = 100.0
"""Readings above this are answered with NaN by the models that are made so."""


def published(
    path: Path,
    answer: int = 0,
    *,
    task: Task = TASK,
    names: tuple[str, str] = ("values", "probabilities"),
    not_finite: str = "never",
    properties: Mapping[str, str | None] | None = None,
) -> Path:
    """A model file that answers every window of ``task`` with label ``answer``, mostly.

    ``not_finite``: "never", "always", or "above the limit" of readings. ``properties`` replaces
    metadata properties, or removes those that are None.
    """
    classes, features = len(task.labels), int(np.prod(task.window_shape))
    bias_K = 5.0 * np.eye(classes, dtype=np.float32)[answer]
    ceiling = {"never": 1e30, "always": -1e30, "above the limit": LIMIT}[not_finite]
    constants = {
        "weights": np.full((features, classes), 0.0, np.float32),
        "bias": bias_K,
        "ceiling": np.float32(ceiling),
        "none": np.float32(0.0),
    }
    nodes = [
        helper.make_node("Flatten", [names[0]], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["logits"]),
        helper.make_node("ReduceMax", ["flat"], ["highest"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["ceiling", "highest"], ["room"]),
        helper.make_node("Sqrt", ["room"], ["root"]),
        helper.make_node("Mul", ["root", "none"], ["zero_or_nan"]),
        helper.make_node("Add", ["logits", "zero_or_nan"], ["checked"]),
        helper.make_node("Softmax", ["checked"], [names[1]], axis=1),
    ]
    inputs = {names[0]: ("N", *task.window_shape)}
    model = model_of(nodes, inputs, {names[1]: ("N", classes)}, constants)
    lineage = Lineage("0.1.0", "run", 3, NetSpec("models.nets.logistic.Logistic"), {"unit": "none"})
    helper.set_model_props(model, properties_of(ModelMetadata.of(task, lineage, "0" * 64)))
    _replace_properties(model, properties or {})
    onnx.save(model, path)
    return path


def doubler(path: Path, dtype: int) -> Path:
    """Any ONNX model: ``twice`` = ``once`` + ``once`` of a type, (N, 2); strings are repeated."""
    operator = "StringConcat" if dtype == TensorProto.STRING else "Add"
    nodes = [helper.make_node(operator, ["once", "once"], ["twice"])]
    onnx.save(model_of(nodes, {"once": ("N", 2)}, {"twice": ("N", 2)}, {}, dtype), path)
    return path


def slot_with(folder: Path, path: Path) -> ModelSlot:
    """A slot whose current version is the file at ``path``."""
    slot = ModelSlot(folder)
    slot.activate(slot.place(path))
    return slot


def other_task() -> Task:
    """The toy task under another name, which a site must not mistake for its own."""
    return replace(TASK, name="another")


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: Mapping[str, tuple[Any, ...]],
    outputs: Mapping[str, tuple[Any, ...]],
    constants: Mapping[str, Any],
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = 20 if dtype == TensorProto.STRING else 17
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def _replace_properties(model: onnx.ModelProto, changes: Mapping[str, str | None]) -> None:
    properties = {entry.key: entry.value for entry in model.metadata_props} | dict(changes)
    kept = {name: value for name, value in properties.items() if value is not None}
    helper.set_model_props(model, kept)


def as_json(value: object) -> str:
    """A property's value as a published model has it."""
    return json.dumps(value)
