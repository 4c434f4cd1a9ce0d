"""Gates on what is no model of a run: functions, stacks, and third parties' models."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.programs.limited_child import ChildLimits
from fl_server.repository.build import build_device, load_configuration
from fl_server.repository.case import Evidence
from fl_server.repository.gates import imported
from fl_server.repository.gates.function import describe_function
from fl_server.repository.promotion import promote, required_gates
from fl_server.repository.store.statements import Verdict
from fl_server.repository.verification import check
from models.onnx.example import Example
from tests.support.model_files import doubler, published
from tests.support.repositories import World
from tests.support.sites import CHANGE
from tests.support.sources import ROOT

CONFIG = load_configuration(None)
ALARM = "fl_client.functions.threshold.Threshold"
FUNCTIONS = [ROOT / "functions/row-alarm/function.json"]
LIMITS = ChildLimits(60, 2048)


def judged(world: World, component: Component) -> dict[str, Verdict]:
    """What each gate that it needs says."""
    evidence = Evidence(None, None, None, build_device("server", CONFIG), time.perf_counter)
    gates = required_gates(world.repository(), component, CONFIG["gates"])
    found, not_run = check(world.repository(), component, gates, evidence, CONFIG["gates"])
    assert not_run == {}
    return {verdict.gate: verdict for verdict in found}


def failed(world: World, component: Component) -> set[str]:
    return {gate for gate, verdict in judged(world, component).items() if not verdict.passed}


def function_file(folder: Path, class_name: str = CHANGE, windows: int = 2) -> Path:
    file = folder / "function.json"
    labels, arguments = ["rest", "walk"], {"windows": windows}
    file.write_text(json.dumps({"class": class_name, "arguments": arguments, "labels": labels}))
    return file


def function_added(world: World, file: Path, described: dict[str, Any]) -> Component:
    given = {"licence": "MIT", **described}
    return world.repository().add(Kind.FUNCTION, "steps", None, {file.name: file}, given)


@pytest.mark.parametrize("file", FUNCTIONS, ids=lambda file: file.parent.name)
def test_a_function_of_this_project_passes_every_gate(world: World, file: Path) -> None:
    described = describe_function(file, CONFIG["gates"]["classes"])
    assert described["golden"]["happenings"]
    component = function_added(world, file, described)
    assert failed(world, component) == set()
    required = required_gates(world.repository(), component, CONFIG["gates"])
    assert promote(world.repository(), Kind.FUNCTION, "steps", None, required) == component


def test_a_function_that_does_something_else_than_was_recorded_fails(world: World) -> None:
    described = describe_function(function_file(world.folder, windows=2), [CHANGE])
    changed = function_added(world, function_file(world.folder, windows=3), described)
    assert failed(world, changed) == {"golden"}


def test_a_function_for_other_labels_than_productions_needs_a_migration(world: World) -> None:
    file = function_file(world.folder)
    first = function_added(world, file, describe_function(file, [CHANGE]))
    promote(world.repository(), Kind.FUNCTION, "steps", None, (), "the first")
    file.write_text(file.read_text().replace("rest", "lie"))
    described = describe_function(file, [CHANGE])
    assert failed(world, function_added(world, file, described)) == {"interface"}
    assert first.description["labels"] == ["rest", "walk"]
    moved = function_added(world, file, {**described, "migration": "rest is called lie now"})
    assert failed(world, moved) == set()


def test_a_class_that_is_not_allowed_is_not_even_imported_by_the_gates(world: World) -> None:
    """Who has the testing key can't run a program where the gates' key is."""
    file = function_file(world.folder, "this.Zen")
    component = function_added(world, file, {"golden": {"happenings": []}})
    assert failed(world, component) == {"golden", "latency"}
    assert "this" not in sys.modules
    with pytest.raises(InvalidData, match="not among those allowed"):
        describe_function(file, [CHANGE])


def stack_added(world: World, requires: Sequence[dict[str, str]]) -> Component:
    file = world.folder / "compose.yaml"
    file.write_text("services: {}\n")
    given = {"licence": "MIT", "requires": list(requires)}
    return world.repository().add(Kind.STACK, "federation", None, {file.name: file}, given)


def test_a_stack_needs_in_production_what_it_requires(world: World) -> None:
    needed, other = world.add(), {"kind": "model", "name": "other", "digest": "0" * 64}
    required = {"kind": "model", "name": needed.name, "digest": needed.digest}
    stack = stack_added(world, [required])
    assert failed(world, stack) == {"requires"}
    gates = required_gates(world.repository(), stack, CONFIG["gates"])
    with pytest.raises(InvalidConfiguration, match="requires failed"):
        promote(world.repository(), Kind.STACK, "federation", None, gates)
    promote(world.repository(), Kind.MODEL, needed.name, None, (), "it is needed")
    assert failed(world, stack) == set()
    assert failed(world, stack_added(world, [required, other])) == {"requires"}
    newer = world.add()
    promote(world.repository(), Kind.MODEL, newer.name, None, (), "a newer one")
    assert failed(world, stack) == {"requires"}


def of_chance(path: Path) -> Path:
    """A model that answers by chance."""
    node = helper.make_node("RandomUniformLike", ["in"], ["out"])
    tensors = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (4,)) for n in ("in", "out")]
    graph = helper.make_graph([node], "chance", tensors[:1], tensors[1:])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def test_an_imported_model_is_compared_with_the_reference_and_with_what_was_recorded(
    tmp_path: Path,
) -> None:
    model = published(tmp_path / "model.onnx", 1).read_bytes()
    example = Example.of(model, None)
    example.write(tmp_path / "example.npz")
    again = Example.read(model, tmp_path / "example.npz")
    assert imported.parity(model, again, 1e-4, LIMITS).passed
    assert imported.golden(model, again, 1e-4, LIMITS).passed
    other = {"probabilities": np.roll(again.outputs["probabilities"], 1)}
    assert not imported.golden(model, replace(again, outputs=other), 1e-4, LIMITS).passed
    broken = {"probabilities": np.full_like(again.outputs["probabilities"], np.nan)}
    assert not imported.golden(model, replace(again, outputs=broken), 1e-4, LIMITS).passed
    chance = of_chance(tmp_path / "chance.onnx").read_bytes()
    drawn = Example.of(chance, None)
    assert not imported.parity(chance, drawn, 1e-4, LIMITS).passed
    with pytest.raises(InvalidData, match="of another model"):
        Example.read(chance, tmp_path / "example.npz")


def test_outputs_that_came_with_an_example_are_those_of_the_golden_gate(tmp_path: Path) -> None:
    """A third party's own outputs count, not what this machine computes."""
    model = published(tmp_path / "model.onnx", 1).read_bytes()
    example = Example.of(model, None)
    wrong = example.outputs["probabilities"] + np.float32(0.01)
    theirs = Example.of(model, {"probabilities": wrong, **example.inputs})
    assert imported.parity(model, theirs, 1e-4, LIMITS).passed
    assert not imported.golden(model, theirs, 1e-4, LIMITS).passed


def test_what_has_no_example_fails_its_gates(world: World) -> None:
    model = doubler(world.folder / "model.onnx", TensorProto.FLOAT)
    component = world.add(model.read_bytes(), name="foreign", origin="somewhere", licence="MIT")
    assert failed(world, component) == {"parity", "golden", "latency"}
    entry = world.repository().entry(Kind.MODEL, "foreign", Stage.TESTING)
    assert entry is not None
