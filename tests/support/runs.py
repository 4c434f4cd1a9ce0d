"""A finished run's outputs, without the run: a model in testing and a checkpoint."""

from pathlib import Path

from fl_common.plan import RunPlan
from fl_common.vocabulary import Parameters
from fl_server.repository.build import open_repository
from fl_server.repository.publication import publish_component, publish_model
from fl_server.rounds.checkpoint import Checkpoint, save
from models.nets import build_net, parameters_of
from tests.support import samples


def run_of(folder: Path, plan: RunPlan, seed: int, into: Path | None = None) -> Parameters:
    """What a finished run leaves: its model in testing (of ``into``, if given), a checkpoint."""
    folder.mkdir(parents=True)
    net = build_net(plan.net, plan.task, seed)
    parameters = parameters_of(net)
    spent = {"epsilon": 3.5}
    windows = samples.windows(4)
    proof = publish_model(plan, net, 5, spent, windows, folder / "model.onnx")
    repository = open_repository(str(into) if into else None, None, folder / "repository")
    facts = {"licence": "Apache-2.0", "rounds": 5, "sites": 4, "metrics": {"accuracy": 0.9}}
    publish_component(repository, plan, net, spent, proof, facts)
    state: dict[str, Parameters] = {}
    save(folder / "checkpoints", Checkpoint("run", plan.digest(), 5, parameters, state, []))
    return parameters
