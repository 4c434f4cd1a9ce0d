"""Training backends: many sites at once if a net's layers can be stacked, else one at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import nn

from fl_client.training import LocalTask
from fl_client.training.randomness import derive_seed
from fl_client.training.stacked.local_round import ReadyTask, train_stack
from fl_client.training.stacked.network import StackedNet, clip_factors
from fl_client.training.stacked.one_site import OneSiteNet
from fl_client.training.stacked.replacement import NotStackable
from fl_client.training.stacked.rows import from_row, to_rows, width_of_row
from fl_client.training.stacked.schedule import exact_steps, padded_steps
from fl_client.training.stacked.stack import Batch
from fl_common.errors import PrivacyViolation
from fl_common.vocabulary import Parameters
from models.kinds import TaskKind

_CALL_BYTES = 512 * 1024
"""Small layers: as many sites at once, padded alike, as make calls of so many bytes."""

_FEW_SITES = 4
"""Where fewer would be that many, padding Poisson samples, which are of all sizes, costs more than
it saves: they stay as they are."""

_LARGE_CALL_BYTES = 5 * 2**20
"""Then, as many sites at once as make calls of so many bytes: a step's overhead is shared."""

_LARGE_PADDED_BYTES = 2 * 2**20
"""The same for batches without DP, of which only an epoch's last is padded: within the cache."""

_ROWS = 6
"""Rows of P entries per site: parameters, global ones, gradients, noise, an optimiser's state."""

_ACTIVATIONS = 4
"""Around each layer's own: normalised, activated and pooled ones, and their gradients."""


class TrainingBackend(Protocol):
    """A way to train one net."""

    def sites_at_once(self, alike: Sequence[ReadyTask], budget: int) -> int:
        """How many of ``alike`` (same plan, round, width) make a stack within ``budget`` bytes."""
        ...

    def train(self, stack: Sequence[ReadyTask]) -> list[Parameters]:
        """Each site's delta, in order.

        Raises what training raises, for the stack as a whole.
        """
        ...


class StackedBackend:
    """Many sites at once, with batches padded to one size if that is cheap.

    Whether they are padded depends only on plan and site, never on the cohort. ``largest`` and
    ``total`` are the net's footprint (``StackedNet.footprint``).
    """

    def __init__(self, net: StackedNet, largest: int, total: int) -> None:
        self._net, self._largest, self._total = net, largest, total

    def sites_at_once(self, alike: Sequence[ReadyTask], budget: int) -> int:
        """See ``TrainingBackend``."""
        width, windows = alike[0].width, max(ready.data.nbytes for ready in alike)
        parameters = _ROWS * 4 * width_of_row(self._net.slots)
        per_site = parameters + _ACTIVATIONS * width * self._total + windows
        wanted = self._padded(alike[0]) or _LARGE_CALL_BYTES // (self._largest * width)
        return max(1, min(wanted, budget // per_site))

    def train(self, stack: Sequence[ReadyTask]) -> list[Parameters]:
        """See ``TrainingBackend``."""
        mean, width = not _is_private(stack[0].task), stack[0].width
        order = sorted(range(len(stack)), key=lambda place: -len(stack[place].batches))
        ordered = [stack[place] for place in order]
        batches = [ready.batches for ready in ordered]
        windows = [ready.data.targets.shape[0] for ready in ordered]
        if self._padded(ordered[0]):
            steps = padded_steps(batches, windows, width, mean)
        else:
            steps = exact_steps(batches, windows, mean)
        global_SP = to_rows([ready.task.parameters for ready in ordered], self._net.slots)
        self._net.begin(ordered[0].task.parameters)
        try:
            delta_SP = train_stack(self._net, ordered, steps, global_SP).sub_(global_SP)
        finally:
            self._net.release()
        deltas: list[Parameters] = [{}] * len(stack)
        for place, delta_P in zip(order, delta_SP, strict=True):
            deltas[place] = from_row(delta_P, self._net.slots)
        return deltas

    def _padded(self, ready: ReadyTask) -> int:
        """How many sites like this one make a padded stack; 0 if batches are not padded."""
        call_bytes = self._largest * ready.width
        sites = _CALL_BYTES // call_bytes
        if sites >= _FEW_SITES:
            return sites
        return 0 if _is_private(ready.task) else max(1, _LARGE_PADDED_BYTES // call_bytes)


class PerSiteBackend:
    """Any net, one site at a time."""

    def __init__(self, net: OneSiteNet) -> None:
        self._net = net

    def sites_at_once(self, alike: Sequence[ReadyTask], budget: int) -> int:
        """One."""
        return 1

    def train(self, stack: Sequence[ReadyTask]) -> list[Parameters]:
        """See ``TrainingBackend``."""
        (ready,) = stack
        parameters, plain = ready.task.parameters, not _is_private(ready.task)
        self._net.begin(parameters)
        global_SP = to_rows([parameters], self._net.slots)
        with _own_chance(ready.task):
            steps = exact_steps([ready.batches], [ready.data.targets.shape[0]], mean=plain)
            delta_SP = train_stack(self._net, stack, steps, global_SP).sub_(global_SP)
        learnt = self._net.learnt(parameters)
        if not plain and any(change.any() for change in learnt.values()):
            raise PrivacyViolation("a buffer changed without noise. The update is withheld.")
        delta = {**from_row(delta_SP[0], self._net.slots), **learnt}
        return [delta]


def _is_private(task: LocalTask) -> bool:
    """True where each step is clipped and noised by itself (DP-SGD)."""
    return task.plan.privacy.sample_mechanism is not None


def backend_for(
    body: nn.Module, kind: TaskKind, input_: torch.Tensor, private: bool
) -> TrainingBackend:
    """The fastest backend with the same results; ``input_`` is a sample after the front end."""
    one_site = OneSiteNet(body, kind)
    try:
        stacked = StackedNet(body, kind)
        is_same = _same_gradients(stacked, one_site, body, kind, input_.shape)
    except (NotStackable, RuntimeError):  # such as for values that are changed in place
        return PerSiteBackend(one_site)
    if not is_same:
        return PerSiteBackend(one_site)
    return StackedBackend(stacked, *stacked.footprint(torch.zeros_like(input_), private))


def _same_gradients(
    stacked: StackedNet,
    one_site: OneSiteNet,
    body: nn.Module,
    kind: TaskKind,
    shape: torch.Size,
) -> bool:
    """Compare on two random samples of two sites: a body may use its layers in unforeseen ways."""
    inputs = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    targets_N = torch.from_numpy(np.repeat(kind.example_targets(1), 4, axis=0))
    batch = Batch(inputs, targets_N, torch.ones(4), (1, 3), False)
    row_P = torch.cat([p.detach().flatten() for p in body.parameters() if p.requires_grad])
    rows_SP = torch.stack([row_P, 1.1 * row_P])
    samples = zip((0, 1, 1, 1), *(each.split(1) for each in batch[:3]), strict=True)
    gradients_NP = torch.cat(
        [
            one_site.gradients(rows_SP[[site]], Batch(values, target, one, (1,), False), None)
            for site, values, target, one in samples
        ]
    )
    norms_N = torch.linalg.vector_norm(gradients_NP, dim=1)
    clip_norm = float(norms_N.mean())
    clipped_NP = gradients_NP * clip_factors(norms_N, clip_norm)[:, None]
    return all(
        torch.allclose(
            stacked.gradients(rows_SP, batch, clip),
            torch.stack([expected_NP[0], expected_NP[1:].sum(0)]),
            rtol=1e-3,
            atol=1e-5 * clip_norm,
        )
        for clip, expected_NP in ((None, gradients_NP), (clip_norm, clipped_NP))
    )


@contextmanager
def _own_chance(task: LocalTask) -> Iterator[None]:
    """Seed layers that draw random numbers (dropout) by this site and round only."""
    if task.plan.seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(task.plan.seed, "layers", task.site, task.round))
        yield
