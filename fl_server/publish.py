"""The end of a run: its parameters as one proved ONNX file."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fl_common.plan import RunPlan
from fl_common.privacy import ACCOUNTANTS, NoPrivacy
from fl_common.vocabulary import Parameters, Windows
from models.export import ExportProof, export_onnx
from models.lineage import Lineage
from models.nets import build_net, load_parameters


def publish_model(
    plan: RunPlan,
    parameters: Parameters,
    round_: int,
    spent: Mapping[str, float],
    windows: Windows,
    path: Path,
) -> ExportProof:
    """Export the global model to ``path``, proved on real ``windows``; nothing is left on failure.

    ``spent`` are the epsilons after ``round_`` rounds, by name.

    Raises:
        ExportMismatch: torch and ONNX Runtime disagree.
    """
    net = build_net(plan.net, plan.task)
    load_parameters(net, parameters)
    lineage = Lineage(
        version=version("join-the-dots"),
        run=plan.run,
        round=round_,
        net=plan.net,
        privacy=_privacy_spent(plan, spent),
    )
    return export_onnx(net, plan.task, path, lineage, windows.values)


def _privacy_spent(plan: RunPlan, spent: Mapping[str, float]) -> dict[str, Any]:
    """What a reader of the file must know to judge the guarantee."""
    if isinstance(plan.privacy, NoPrivacy):
        return asdict(plan.privacy)
    return {
        **asdict(plan.privacy),
        **spent,
        "conversion": ACCOUNTANTS[plan.privacy.accountant],
        "noise_generator": "operating system" if plan.seed is None else "seeded",
    }
