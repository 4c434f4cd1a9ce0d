"""Flower's ClientApp, as in Flower's own examples; a module that Ray's workers can import."""

from functools import cache
from pathlib import Path

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from torch import nn

from benchmarks.peers.work import (
    LocalWork,
    Workload,
    build_body,
    load_workload,
    local_work,
    parameters_of,
)


@cache
def opened(folder: Path, seed: int) -> tuple[Workload, nn.Module, LocalWork]:
    """Data and network: once per worker process, not once per message."""
    workload = load_workload(folder)
    body = build_body(workload.plan, 0)
    return workload, body, local_work(workload.plan, body, seed)


def build_client_app(folder: Path, seed: int) -> ClientApp:
    """Trains the site of the node's partition and returns its parameters."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        position = int(context.node_config["partition-id"])
        workload, body, work = opened(folder, seed + position)
        state = message.content.array_records["arrays"].to_torch_state_dict()
        start = [state[name] for name, _ in body.named_parameters()]
        trained = work(start, *workload.site(position))
        content = RecordDict(
            {
                "arrays": ArrayRecord(torch_state_dict=named(body, trained)),
                "metrics": MetricRecord({"num-examples": workload.weight(position)}),
            }
        )
        return Message(content=content, reply_to=message)

    return app


def named(body: nn.Module, values: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Parameters by name, as a state dictionary."""
    names = [name for name, _ in body.named_parameters()]
    return dict(zip(names, values, strict=True))


def initial_state(body: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that the first round begins with."""
    return named(body, parameters_of(body))
