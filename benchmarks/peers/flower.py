"""Flower's own simulation: its ServerApp with FedAvg, its Ray backend, one CPU per client."""

import logging
import warnings

from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from benchmarks.peers.flower_client import build_client_app, initial_state
from benchmarks.peers.work import (
    Stopwatch,
    accuracy,
    arguments,
    build_body,
    load_workload,
    write_outcome,
)


def main() -> None:
    """One run of Flower's simulation runtime."""
    options = arguments().parse_args()
    workload = load_workload(options.workload)
    body, watch = build_body(workload.plan, options.seed), Stopwatch()
    names = [name for name, _ in body.named_parameters()]
    server_app = ServerApp()

    def evaluate(round_: int, arrays: ArrayRecord) -> MetricRecord:
        """Called before the first round and after each: the time between is a round."""
        if round_:
            watch.end()
        state = arrays.to_torch_state_dict()
        share = accuracy(body, [state[name] for name in names], workload)
        watch.accuracies.append(share)
        watch.begin()
        return MetricRecord({"accuracy": share})

    @server_app.main()
    def server(grid: Grid, context: Context) -> None:
        del context
        strategy = FedAvg(
            fraction_train=workload.clients_per_round / workload.sites,
            fraction_evaluate=0.0,
            min_train_nodes=workload.clients_per_round,
            min_available_nodes=workload.sites,
        )
        strategy.start(
            grid=grid,
            initial_arrays=ArrayRecord(torch_state_dict=initial_state(body)),
            num_rounds=workload.plan.rounds,
            evaluate_fn=evaluate,
        )
        write_outcome(options.outcome, watch)

    client_app = build_client_app(options.workload, options.seed * workload.sites)
    simulate(server_app, client_app, workload.sites)


def simulate(server_app: ServerApp, client_app: ClientApp, sites: int) -> None:
    """Flower's own runtime, one CPU per client, without its log."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from flwr.simulation import run_simulation

        run_simulation(
            server_app,
            client_app,
            num_supernodes=sites,
            backend_config={
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
                "init_args": {"include_dashboard": False, "log_to_driver": False},
            },
        )


if __name__ == "__main__":
    main()
