"""Apple's pfl-research: its FederatedAveraging and PyTorchModel on its simulated backend."""

from typing import Any

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam import NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.peers.work import (
    Stopwatch,
    Workload,
    accuracy,
    arguments,
    build_body,
    load_workload,
    parameters_of,
    write_outcome,
)


class Trained(nn.Module):
    """The network with the two methods that pfl requires."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def loss(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of a batch."""
        return cross_entropy(self.body(inputs), labels)

    def metrics(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, Weighted]:
        """Required by pfl; the rounds here evaluate centrally."""
        return {"loss": Weighted(self.loss(inputs, labels).item() * len(labels), len(labels))}


class Evaluation(TrainingProcessCallback):  # type: ignore[misc]
    """Ends a round, evaluates, and begins the next."""

    def __init__(self, workload: Workload, watch: Stopwatch) -> None:
        self._workload = workload
        self._watch = watch
        self._body = build_body(workload.plan, 0)

    def on_train_begin(self, *, model: PyTorchModel) -> Metrics:
        """Begin the first round."""
        self._watch.begin()
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: PyTorchModel, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        """Called when the central model has been updated."""
        self._watch.end()
        values = parameters_of(model.pytorch_model)
        self._watch.accuracies.append(accuracy(self._body, values, self._workload))
        self._watch.begin()
        return False, Metrics()


def sites_of(workload: Workload) -> FederatedDataset:
    """The federation; a site's windows are reshuffled on each access."""

    def site(position: int) -> PyTorchTensorDataset:
        inputs, labels = workload.site(position)
        order = torch.randperm(len(labels))
        return PyTorchTensorDataset((inputs[order], labels[order]), user_id=str(position))

    sample = "minimize_reuse" if workload.clients_per_round == workload.sites else "random"
    return FederatedDataset(site, get_user_sampler(sample, list(range(workload.sites))))


def main() -> None:
    """One run of pfl's simulation."""
    options = arguments().parse_args()
    np.random.seed(options.seed)  # noqa: NPY002  pfl draws from numpy's global generator
    torch.manual_seed(options.seed)
    workload = load_workload(options.workload)
    plan, watch = workload.plan, Stopwatch()
    net: Any = Trained(build_body(plan, options.seed))
    model = PyTorchModel(net, torch.optim.SGD, torch.optim.SGD(net.parameters(), lr=1.0))
    sites = sites_of(workload)
    FederatedAveraging().run(
        NNAlgorithmParams(
            central_num_iterations=plan.rounds,
            evaluation_frequency=plan.rounds + 1,
            train_cohort_size=workload.clients_per_round,
            val_cohort_size=None,
        ),
        SimulatedBackend(sites, sites, postprocessors=[WeightByDatapoints()]),
        model,
        NNTrainHyperParams(
            local_batch_size=plan.training.batch_size,
            local_num_epochs=plan.training.local_epochs,
            local_learning_rate=plan.training.learning_rate,
        ),
        callbacks=[Evaluation(workload, watch)],
        send_metrics_to_platform=False,
    )
    write_outcome(options.outcome, watch)


if __name__ == "__main__":
    main()
