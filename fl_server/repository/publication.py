"""Publication of a run's model: as one verified ONNX file, and as a component in testing."""

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fl_common.components.description import Component, Kind, Stage
from fl_common.functions import FUNCTION_FILE
from fl_common.functions.shape import digest_of_parts
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import ACCOUNTANTS
from fl_common.vocabulary import Task, Windows
from fl_server.repository.incumbents import component_name, keep_parameters
from fl_server.repository.store.contents import content_of_file
from fl_server.repository.store.repository import ComponentRepository
from models.export import ExportProof, export_onnx
from models.kinds import TaskKind, kind_of
from models.lineage import Lineage
from models.nets import Net, parameters_of
from models.onnx.golden import golden_windows

_GOLDEN_WINDOWS, _GOLDEN_SEED = 4, 0


def publish_model(
    plan: RunPlan,
    net: Net,
    round_: int,
    spent: Mapping[str, Any],
    windows: Windows,
    path: Path,
) -> ExportProof:
    """Export the global model to ``path``, verified on ``windows``; leaves no file on failure.

    ``net`` is the plan's, with the parameters to publish; it is not changed. ``spent`` are the
    epsilons after ``round_`` rounds, by name; and ``init``, if the first parameters were those of
    an earlier model: its run, round, parameter_digest and privacy; ``scale``: whose word the
    task's center and scale are; and ``threshold``, if scores are learnt.

    Raises:
        ExportMismatch: torch and ONNX Runtime disagree.
    """
    lineage = Lineage(
        version=version("join-the-dots"),
        run=plan.run,
        round=round_,
        net=plan.net,
        privacy=_privacy_spent(plan, spent),
    )
    return export_onnx(net, plan.task, path, lineage, windows.values)


def publish_component(
    repository: ComponentRepository,
    plan: RunPlan,
    net: Net,
    spent: Mapping[str, Any],
    proof: ExportProof,
    facts: Mapping[str, Any],
) -> Component:
    """Add the verified file to ``testing`` under the task's name, with its lineage.

    ``net`` is the one that was exported. ``facts`` are facts of the run outside its plan: licence,
    rounds, sites, metrics.

    Raises:
        InvalidConfiguration: the testing keys or the repository are missing.
    """
    task, kind = plan.task, kind_of(plan.task)
    published = kind.published(torch.zeros(1, kind.outputs), torch.zeros(1, *task.window_shape))
    description = {
        "task": task.name,
        "labels": list(task.labels),
        "inputs": [_tensor("values", ["N", *task.window_shape])],
        "outputs": [_tensor(name, ["N", *one.shape[1:]]) for name, one in published.items()],
        "privacy": _privacy_spent(plan, spent),
        "run": plan.run,
        "code_version": version("join-the-dots"),
        "definition": {"task": task.to_fields(), "net": asdict(plan.net)},
        "golden": {"seed": _GOLDEN_SEED, kind.answer: _golden(plan, net, kind)},
        **_requires(repository, task),
        **facts,
    }
    files = {proof.path.name: proof.path}
    name = component_name(task.name)
    component = repository.add(Kind.MODEL, name, None, files, description)
    keep_parameters(repository, component, parameters_of(net))
    return component


def _requires(repository: ComponentRepository, task: Task) -> dict[str, Any]:
    """The shape that windows of the model go through, if the repository has that version of it.

    So the gate ``requires`` holds the model back until boxes can have the shape.
    """
    if task.shape is None:
        return {}
    for stage in Stage:
        entry = repository.entry(Kind.FUNCTION, task.shape.name, stage)
        if entry and _shape_digest(repository, entry.component) == task.shape.digest:
            found = entry.component
            one = {"kind": str(found.kind), "name": found.name, "digest": found.digest}
            return {"requires": [one]}
    return {}


def _shape_digest(repository: ComponentRepository, component: Component) -> str | None:
    """The digest of a function as a shape; None of an installed class."""
    contents = {
        file.path: content_of_file(repository.folder, component, file) for file in component.files
    }
    fields = json.loads(contents[FUNCTION_FILE])
    return digest_of_parts(fields, contents[fields["file"]]) if "file" in fields else None


def _golden(plan: RunPlan, net: Net, kind: TaskKind) -> list[list[float]]:
    """The net's answers to the fixed inputs, computed by torch."""
    net = copy.deepcopy(net).eval()
    windows_N = golden_windows(plan.task, _GOLDEN_WINDOWS, _GOLDEN_SEED)
    with torch.no_grad():
        values_N = torch.from_numpy(windows_N)
        answers_ND = kind.published(net(values_N), values_N)[kind.answer].numpy()
    return [[round(float(value), 7) for value in row] for row in answers_ND]


def _tensor(name: str, shape: list[str | int]) -> dict[str, Any]:
    return {"name": name, "type": "float32", "shape": shape}


def _privacy_spent(plan: RunPlan, spent: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that a reader of the file needs to assess the guarantee."""
    if (promise := plan.privacy.guarantee) is None:
        return {
            **plan.privacy.fields(),
            **{key: spent[key] for key in ("init", "scale", "threshold") if key in spent},
        }
    evaluation = plan.evaluation
    limit = {"epsilon_held_out_limit": evaluation.epsilon_limit} if evaluation else {}
    return {
        **plan.privacy.fields(),
        **spent,
        **limit,
        "conversion": ACCOUNTANTS[promise.accountant],
        "noise_generator": "operating system" if plan.seed is None else "seeded",
    }
