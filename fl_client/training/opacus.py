"""Local training of one site at a time with PyTorch and Opacus.

Trains any network that Opacus supports, with as little code of our own as possible between plan and
mechanism: Opacus computes the per-sample gradients, clips and sums them (Abadi et al. 2016,
algorithm 1); batches and noise come from ``randomness``, as in every trainer.
"""

import copy
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from opacus.grad_sample import GradSampleHooks
from opacus.optimizers.optimizer import DPOptimizer, _check_processed_flag, _mark_as_processed
from torch import nn

from fl_client.training import LocalTask
from fl_client.training.checked_noise import CheckedNoise
from fl_client.training.checks import RAISED, check_task, refuse, say_raised, update_of
from fl_client.training.local_optimizer import Proximity, optimizer_of
from fl_client.training.poisson import check_poisson
from fl_client.training.prepared import Prepared, net_for, past_frozen, trained_body
from fl_client.training.randomness import (
    NoiseSource,
    derive_seed,
    draw_batches,
    drawn_for,
    noise_source,
)
from fl_client.training.stacked.gradients import not_finite, squared_lengths
from fl_client.training.trial import not_in_place
from fl_common import params
from fl_common.errors import InvalidData, PrivacyViolation
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.vocabulary import LocalUpdate, Parameters, Refusal, RefusalReason
from models.kinds import TaskKind, kind_of
from models.nets import Net, load_parameters, parameters_of, trained_part

PER_SAMPLE_BYTES = 256 * 2**20
"""Memory for per-sample gradients: a larger batch is clipped in parts, and noised once."""

_SMALLEST_PART, _LARGEST_PART = 16, 256
"""Windows; a kernel takes whole blocks of up to 16."""

_KEPT_BODIES = 4


class OpacusTrainer:
    """Trains each task in turn. Keeps nothing but built networks; for one thread at a time.

    Refuses with PRIVACY where DP can't be set up or did not run as planned, with TRAINING where
    training raised or, without DP, diverged, and as ``check_task`` says; never raises for one
    site's fault.
    """

    def __init__(self) -> None:
        self._bodies: dict[tuple[Net, bool], nn.Module] = {}

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        """An update or a refusal for each task, in order."""
        return [self._answer(task) for task in cohort]

    def _answer(self, task: LocalTask) -> LocalUpdate | Refusal:
        if not task.is_checked and (refusal := check_task(task)):
            return refusal
        try:
            delta = self._delta(task)
        except InvalidData as error:
            return refuse(task, RefusalReason.DATA, str(error))
        except PrivacyViolation as error:
            return refuse(task, RefusalReason.PRIVACY, str(error))
        except Exception as error:
            say_raised(task, error)
            return refuse(task, RefusalReason.TRAINING, RAISED)
        return update_of(task, delta)

    def _delta(self, task: LocalTask) -> Parameters:
        data = past_frozen(task)
        mechanism = task.plan.privacy.sample_mechanism
        private = mechanism is not None
        body = self._take_body(task, private)
        load_parameters(body, task.parameters)
        with _own_chance(task), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            if mechanism is not None:
                _train_privately(body, task, mechanism, data)
            else:
                _train_plainly(body, task, data)
        delta = params.subtract(parameters_of(body), task.parameters)
        if private:
            _check_buffers(body, delta)
        self._keep_body(task, private, body)
        return trained_part(
            net_for(task.plan), {name: delta[name] for name in task.parameters if name in delta}
        )

    def _take_body(self, task: LocalTask, private: bool) -> nn.Module:
        """The body to train, with Opacus' hooks under DP; removed from the cache while in use.

        So if training raises, the next task does not get a body with half-used hooks.
        """
        net = net_for(task.plan)
        body = self._bodies.pop((net, private), None)
        if body is None:
            body = copy.deepcopy(trained_body(task.plan))
            not_in_place(body)
            if private:
                with _setting_up(task):
                    hooks = GradSampleHooks(body, loss_reduction="sum", strict=True)
                    hooks.forbid_grad_accumulation()
        return body

    def _keep_body(self, task: LocalTask, private: bool, body: nn.Module) -> None:
        self._bodies[net_for(task.plan), private] = body
        while len(self._bodies) > _KEPT_BODIES:
            del self._bodies[next(iter(self._bodies))]


def _train_plainly(body: nn.Module, task: LocalTask, data: Prepared) -> None:
    weights = [p for p in body.parameters() if p.requires_grad]
    optimizer = optimizer_of(weights, task)
    pull = Proximity(weights, task.plan.training.proximal_mu)
    kind = kind_of(task.plan.task)
    for batch in draw_batches(task.plan, task.site, task.round, len(data.targets)):
        optimizer.zero_grad()
        kind.losses(body(data.inputs[batch]), data.targets[batch]).mean().backward()
        pull.add_gradient()
        optimizer.step()


def _train_privately(
    body: nn.Module, task: LocalTask, plan: SampleMechanism, data: Prepared
) -> None:
    weights = [p for p in body.parameters() if p.requires_grad]
    size = sum(p.numel() for p in weights)
    drawn = task.plan, task.site, task.round
    noise = CheckedNoise(noise_source(*drawn), drawn_for(*drawn))
    with _setting_up(task):
        optimizer = PlannedOptimizer(optimizer_of(weights, task), plan, noise)
        pull = Proximity(weights, task.plan.training.proximal_mu)
        optimizer.attach_step_hook(lambda _: pull.add_gradient())
    part, kind = _windows_at_once(plan, size), kind_of(task.plan.task)
    batches = draw_batches(task.plan, task.site, task.round, len(data.targets))
    check_poisson(batches, len(data.targets), plan)
    for batch in batches:
        parts = batch.split(part)
        for place, rows in enumerate(parts):
            optimizer.zero_grad()
            optimizer.signal_skip_step(place < len(parts) - 1)
            chosen = data.inputs[rows], data.targets[rows]
            _per_sample_gradients(body, weights, kind, *chosen, part)
            optimizer.step()
    noise.verify(plan.steps, size)


def _windows_at_once(plan: SampleMechanism, size: int) -> int:
    """How many windows are computed together, by public numbers: about a quarter of a batch."""
    quarter = _SMALLEST_PART * math.ceil(plan.expected_batch / (4 * _SMALLEST_PART))
    return max(1, min(quarter, _LARGEST_PART, PER_SAMPLE_BYTES // (4 * size)))


def _per_sample_gradients(
    body: nn.Module,
    weights: list[nn.Parameter],
    kind: TaskKind,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    part: int,
) -> None:
    """Leave ``grad_sample`` (N, *shape) on each parameter; an empty Poisson batch gives N = 0.

    Always ``part`` windows are computed, of which the last may be zeros that count for nothing: how
    float32 rounds a window's gradient depends on the number of rows, and parameters can be chosen
    that amplify it. So a window more or less moves no other window's gradient.
    """
    windows = len(targets)
    if windows:
        rest = part - windows
        filled, truth = (
            torch.cat([each, each.new_zeros((rest, *each.shape[1:]))]) for each in (inputs, targets)
        )
        kind.losses(body(filled), truth).sum().backward()
    for weight in weights:
        found = weight.grad_sample if windows else weight.new_zeros((0, *weight.shape))  # type: ignore[attr-defined]
        weight.grad_sample = found[:windows]  # type: ignore[attr-defined]


class PlannedOptimizer(DPOptimizer):  # type: ignore[misc]
    """Opacus' optimizer with the plan's noise, and a check that every step was clipped.

    One flat draw of standard normals per step covers all parameters in their order. Sums are
    divided by the plan's expected batch: the site's own size is private.

    Raises:
        PrivacyViolation: on a step whose gradients were not clipped and summed as planned.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        plan: SampleMechanism,
        noise: NoiseSource,
    ) -> None:
        size = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
        self._grid = plan.grid(size)
        super().__init__(
            optimizer,
            noise_multiplier=plan.noise_multiplier,
            max_grad_norm=self._grid.bound,
            expected_batch_size=plan.expected_batch,
            loss_reduction="mean",
        )
        self._noise = noise
        self._clipped = 0

    def clip_and_accumulate(self) -> None:
        """Clip each sample's gradient over all parameters together, and sum (Opacus').

        A gradient that float32 can't hold counts as zero: see ``stacked.gradients.not_finite``.
        """
        rows = [gradient.flatten(1) for gradient in self.grad_samples]
        squares_N = torch.stack([squared_lengths(row_NX) for row_NX in rows]).sum(0)
        left_out = not_finite(squares_N)
        for row_NX in rows:
            row_NX.index_fill_(0, left_out, 0)
        super().clip_and_accumulate()
        self._clipped += len(rows[0])

    def add_noise(self) -> None:
        """Add ``noise_multiplier * clip_norm`` times one standard normal to each entry."""
        self._check_clipped()
        sizes = [p.numel() for p in self.params]
        sums_P = torch.cat([p.summed_grad.flatten() for p in self.params])
        normals_P = self._noise.standard_normal(len(sums_P))
        noised_P = torch.from_numpy(self._grid.noised(sums_P.numpy(), normals_P.numpy())).float()
        for parameter, part in zip(self.params, noised_P.split(sizes), strict=True):
            _check_processed_flag(parameter.summed_grad)
            parameter.grad = part.view_as(parameter)
            _mark_as_processed(parameter.summed_grad)

    def _check_clipped(self) -> None:
        sums = [p.summed_grad for p in self.params]
        if any(total is None for total in sums):
            raise PrivacyViolation(
                "a step had gradients that were not clipped. The update is withheld."
            )
        norms = torch.stack([torch.linalg.vector_norm(total) for total in sums])
        length, bound = float(torch.linalg.vector_norm(norms)), self._clipped * self.max_grad_norm
        if length > 1.001 * bound:
            raise PrivacyViolation(
                f"clipped gradients of {self._clipped} windows sum to a norm of {length:.4g}, above"
                f" {bound:.4g}: clipping did not run as planned. The update is withheld."
            )
        self._clipped = 0


@contextmanager
def _setting_up(task: LocalTask) -> Iterator[None]:
    """Turn any error of the set-up of DP into a violation: never train without DP."""
    try:
        yield
    except Exception as error:
        raise PrivacyViolation(
            f"DP could not be set up for net {task.plan.net.target}"
            f" ({type(error).__name__}: {error}). Nothing was trained."
        ) from error


@contextmanager
def _own_chance(task: LocalTask) -> Iterator[None]:
    """Seed layers that draw random numbers (dropout) by this site and round only."""
    if task.plan.seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(task.plan.seed, "layers", task.site, task.round))
        yield


def _check_buffers(body: nn.Module, delta: Parameters) -> None:
    """Raise if a buffer was changed by the windows: it would leave without noise."""
    for name, _ in body.named_buffers():
        if name in delta and delta[name].any():
            raise PrivacyViolation(
                f"buffer {name} changed in training without noise. The update is withheld."
            )
