"""Gates on what a model computes: parity, golden outputs, interface."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from fl_common import params
from fl_common.components.description import Component
from fl_common.errors import InvalidData
from fl_common.programs.limited_child import ChildLimits
from fl_common.vocabulary import Floats, NamedArrays, NetSpec, Parameters, Task
from fl_server.repository.gates import AGAINST, GateFinding
from models.kinds import TaskKind, kind_of
from models.metadata import read_metadata
from models.nets import build_net, load_parameters
from models.onnx.golden import golden_windows
from models.onnx.trial import RUNTIME, outputs_of, try_model
from models.parts.scoring import THRESHOLD

_INTERFACE = ("inputs", "outputs", "labels", "emits")


def parity(
    component: Component,
    model: bytes,
    parameters: Parameters,
    tolerance: float,
    limits: ChildLimits,
) -> GateFinding:
    """Torch (with the run's ``parameters``) and ONNX Runtime give the same answers.

    The parameters must be those that the file was made from, by its metadata. A threshold of scores
    is found after the last checkpoint: it is the one that the metadata say.
    """
    metadata = read_metadata(model)
    parameters = _with_threshold(parameters, metadata.privacy.get("threshold"))
    found, stated = params.digest(parameters), metadata.parameter_digest
    if found != stated:
        return GateFinding(
            False,
            f"the file was made from parameters {stated[:12]}, not the given ones ({found[:12]})",
        )
    task, windows_N = golden_inputs(component.description)
    net = build_net(NetSpec(**component.description["definition"]["net"]), task).eval()
    load_parameters(net, parameters)
    with torch.no_grad():
        values_N, kind = torch.from_numpy(windows_N), kind_of(task)
        expected_ND = kind.published(net(values_N), values_N)[kind.answer].numpy()
    return _compared("torch", expected_ND, model, kind, windows_N, tolerance, limits)


def _with_threshold(parameters: Parameters, found: Mapping[str, Any] | None) -> Parameters:
    if not found or THRESHOLD not in parameters:
        return parameters
    return {**parameters, THRESHOLD: np.full(1, found["value"], np.float32)}


def golden(
    component: Component, model: bytes, tolerance: float, limits: ChildLimits
) -> GateFinding:
    """The fixed inputs give the outputs recorded when the model was published."""
    if "golden" not in component.description:
        return GateFinding(False, "the description has no golden outputs")
    task, windows_N = golden_inputs(component.description)
    kind, what = kind_of(task), "the recorded outputs"
    recorded_ND = np.asarray(component.description["golden"][kind.answer], np.float32)
    return _compared(what, recorded_ND, model, kind, windows_N, tolerance, limits)


def interface(candidate: Component, production: Component | None) -> GateFinding:
    """Inputs, outputs, labels and events equal those of production, or a migration is declared."""
    if production is None:
        return GateFinding(True, "nothing is in production yet", {AGAINST: None})
    changed = [
        name
        for name in _INTERFACE
        if candidate.description.get(name) != production.description.get(name)
    ]
    values = {AGAINST: production.digest, "changed": changed}
    if not changed:
        return GateFinding(True, f"the same as {production.name} {production.version}", values)
    if migration := candidate.description.get("migration"):
        return GateFinding(True, f"{', '.join(changed)} changed; migration: {migration}", values)
    return GateFinding(False, f"{', '.join(changed)} changed, and no migration is declared", values)


def trial(model: bytes, inputs: NamedArrays, limits: ChildLimits) -> str | None:
    """Why the model does not pass its trial in a child process with these limits; None if it does.

    No gate may run a model that does not.
    """
    try:
        try_model(model, inputs, limits)
    except InvalidData as error:
        return str(error)
    return None


def golden_inputs(description: Mapping[str, Any]) -> tuple[Task, Floats]:
    """The task of a run's model, and the windows whose outputs were recorded."""
    task = Task.from_fields(description["definition"]["task"])
    record = description["golden"]
    return task, golden_windows(task, len(record[kind_of(task).answer]), record["seed"])


def _compared(
    what: str,
    expected_ND: Floats,
    model: bytes,
    kind: TaskKind,
    windows_N: Floats,
    tolerance: float,
    limits: ChildLimits,
) -> GateFinding:
    found_ND = outputs_of(model, {"values": windows_N}, RUNTIME, limits)[kind.answer]
    values: dict[str, Any] = {"tolerance": tolerance, "windows": len(windows_N)}
    if found_ND.shape != expected_ND.shape:
        return GateFinding(False, f"shapes {found_ND.shape} and {expected_ND.shape} differ", values)
    difference = float(np.max(np.abs(found_ND - expected_ND))) / kind.span
    passed = difference <= tolerance  # not for NaN
    values["difference"] = difference if np.isfinite(difference) else None
    return GateFinding(
        passed, f"ONNX Runtime differs from {what} by at most {difference:.2g}", values
    )
