"""The model of a run on real sites: to testing of the served repository, then as the run's file."""

import logging
from pathlib import Path
from typing import Any

import torch

from fl_common.components.description import Component
from fl_common.configuration.rules import Config
from fl_common.files.whole import move_whole
from fl_common.vocabulary import Integers, Windows
from fl_server.cloud.planning import ConfiguredRun
from fl_server.repository.publication import publish_component, publish_model
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.comparison import write_counts
from models.nets import Net
from models.onnx.golden import golden_windows

_logger = logging.getLogger(__name__)
_PROOF_WINDOWS = 64


def publish(
    config: Config,
    configured: ConfiguredRun,
    run: FederatedRun,
    net: Net,
    surveyed: dict[str, Any],
    repository: ComponentRepository,
    model: Path,
) -> Component:
    """Publish the model to ``testing`` of the served repository, then as the run's file."""
    plan, last = configured.plan, run.history[-1]
    spent = {"epsilon": last["epsilon"]} | {
        f"epsilon_per_{unit}": value for unit, value in last["epsilon_per"].items()
    }
    if last.get("epsilon_held_out"):
        spent["epsilon_held_out"] = last["epsilon_held_out"]
    told = {**spent, **surveyed}
    candidate = model.with_name("candidate.onnx")
    proof = publish_model(plan, net, len(run.history), told, _windows(plan), candidate)
    on_sites = last.get("on_sites")
    facts = {
        "licence": config["publish"]["licence"],
        "rounds": len(run.history),
        "sites": config["sites"],
        **({"metrics": on_sites["metrics"]} if on_sites else {}),
    }
    component = publish_component(repository, plan, net, told, proof, facts)
    if compared := last.get("compared"):
        write_counts(configured.folder / "counts.json", compared, component)
    move_whole(candidate, model)
    _logger.info(
        "run %s is published to testing: %s version %s", plan.run, component.name,
        component.version,
    )  # fmt: skip
    return component


def _windows(plan: Any) -> Windows:
    """Windows of the declared size, to check the export with: the server has no real ones."""
    values_N = golden_windows(plan.task, _PROOF_WINDOWS, 0)
    nothing_N: Integers = torch.zeros(len(values_N), dtype=torch.int64).numpy()
    return Windows(values_N, nothing_N, nothing_N, ("declared",))
