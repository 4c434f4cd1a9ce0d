"""The bare torch loop: federated averaging as one would write it by hand, without a framework.

One client after another, in one process or in several that were forked once and share the data.
"""

import multiprocessing
from multiprocessing.connection import Connection

import numpy as np
import torch

from benchmarks.peers.work import (
    LocalWork,
    Stopwatch,
    Tensors,
    Workload,
    accuracy,
    arguments,
    build_body,
    load_workload,
    local_work,
    parameters_of,
    write_outcome,
)


def weighted_sum(
    workload: Workload, work: LocalWork, start: Tensors, positions: list[int]
) -> Tensors:
    """The weighted sum of the sites' parameters; zeros if there is no site."""
    sums = [torch.zeros_like(value) for value in start]
    for position in positions:
        trained = work(start, *workload.site(position))
        for total, value in zip(sums, trained, strict=True):
            total.add_(value, alpha=workload.weight(position))
    return sums


class Team:
    """Worker processes that return a weighted sum for ``(parameters, positions)``."""

    def __init__(self, workload: Workload, count: int, seed: int) -> None:
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        for number in range(count):
            ours, theirs = context.Pipe()
            arguments_ = (theirs, workload, seed * count + number)
            context.Process(target=_serve, args=arguments_, daemon=True).start()
            self._pipes.append(ours)

    def weighted_sum(self, start: Tensors, positions: list[int]) -> Tensors:
        """Divide the sites of a round over the workers, and add up."""
        message = [value.numpy() for value in start]
        for number, pipe in enumerate(self._pipes):
            pipe.send((message, positions[number :: len(self._pipes)]))
        parts = [pipe.recv() for pipe in self._pipes]
        return [torch.from_numpy(np.sum(same, axis=0)) for same in zip(*parts, strict=True)]


def _serve(pipe: Connection, workload: Workload, seed: int) -> None:
    work = local_work(workload.plan, build_body(workload.plan, 0), seed)
    while True:
        message, positions = pipe.recv()
        start = [torch.from_numpy(value) for value in message]
        pipe.send([value.numpy() for value in weighted_sum(workload, work, start, positions)])


def main() -> None:
    """All rounds, evaluated one by one."""
    parser = arguments()
    parser.add_argument("--processes", type=int, required=True)
    options = parser.parse_args()
    workload = load_workload(options.workload)
    body = build_body(workload.plan, options.seed)
    values = parameters_of(body)
    if options.processes > 1:
        summed = Team(workload, options.processes, options.seed).weighted_sum
    else:
        work = local_work(workload.plan, build_body(workload.plan, 0), options.seed)

        def summed(start: Tensors, positions: list[int]) -> Tensors:
            return weighted_sum(workload, work, start, positions)

    chance = np.random.default_rng(options.seed)
    watch = Stopwatch()
    for _ in range(workload.plan.rounds):
        watch.begin()
        chosen = chance.choice(workload.sites, workload.clients_per_round, replace=False).tolist()
        total = sum(workload.weight(position) for position in chosen)
        values = [value / total for value in summed(values, chosen)]
        watch.end()
        watch.accuracies.append(accuracy(body, values, workload))
    write_outcome(options.outcome, watch)


if __name__ == "__main__":
    main()
