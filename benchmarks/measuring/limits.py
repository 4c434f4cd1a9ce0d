"""The arithmetic of a workload, for what no program can go below."""

from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.peers.work import Workload, build_body

_COUNTED = 32


def operations_per_update(workload: Workload) -> float:
    """Floating-point operations of one client update: forward and backward over its windows.

    Products and convolutions only, as ``torch.utils.flop_counter`` counts them on 32 windows; an
    update passes over the windows of an average site.
    """
    body = build_body(workload.plan, 0)
    inputs, labels = workload.inputs[:_COUNTED], workload.labels[:_COUNTED]
    with FlopCounterMode(display=False) as counter:
        cross_entropy(body(inputs), labels).backward()
    return float(counter.get_total_flops()) / _COUNTED * windows_per_update(workload)


def windows_per_update(workload: Workload) -> float:
    """Windows that one update takes gradients of, on average over the sites."""
    size = len(workload.labels) / workload.sites
    if (mechanism := workload.plan.privacy.sample_mechanism) is not None:
        return size * mechanism.sampling_rate * mechanism.steps
    return size * workload.plan.training.local_epochs
