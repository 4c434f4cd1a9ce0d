"""Stacked layers against torch's own, one site and one sample at a time."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from fl_client.training.stacked.network import StackedNet, clip_factors
from fl_client.training.stacked.one_site import OneSiteNet
from fl_client.training.stacked.patches import Geometry, as_groups, from_groups
from fl_client.training.stacked.stack import Batch
from models.kinds import kind_of
from tests.support import samples

LABELS = 3
KIND = kind_of(replace(samples.TASK, labels=("a", "b", "c")))


class Twice(nn.Module):
    """One convolution called twice: its gradients are of both calls."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(4, 4, 3, padding=1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        return torch.as_tensor(self.convolution(torch.tanh(self.convolution(values))))


def _ending(inputs: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(inputs, LABELS)]


BODIES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "a series": (
        lambda: nn.Sequential(nn.Conv1d(4, 6, 5, stride=2, padding=2), nn.ReLU(), *_ending(24)),
        (4, 8),
    ),
    "gaps and no bias": (
        lambda: nn.Sequential(nn.Conv1d(4, 6, 3, dilation=2, bias=False), nn.Tanh(), *_ending(24)),
        (4, 8),
    ),
    "an oblong image": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, (3, 5), stride=(1, 2), padding=(0, 2)), nn.Tanh(),
            nn.Conv2d(4, 3, 3, stride=2, padding=1), nn.ReLU(), *_ending(36),
        ),
        (1, 9, 12),
    ),
    "patches above the limit": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 12, 3, padding=1), nn.Tanh(),
            nn.Conv2d(12, 5, 5, stride=2, padding=2), nn.ReLU(), *_ending(45),
        ),
        (2, 6, 6),
    ),
    "groups of channels": (
        lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2, padding=1), nn.ReLU(), *_ending(128)),
        (4, 4, 4),
    ),
    "normalisation first": (
        lambda: nn.Sequential(nn.GroupNorm(2, 4), nn.Conv1d(4, 4, 3), nn.Tanh(), *_ending(24)),
        (4, 8),
    ),
    "normalisation between": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 3), nn.GroupNorm(3, 6), nn.ReLU(), nn.Flatten(),
            nn.Linear(36, 8), nn.GroupNorm(2, 8), nn.LayerNorm(8), nn.Linear(8, LABELS),
        ),
        (4, 8),
    ),
    "a layer called twice": (lambda: nn.Sequential(Twice(), nn.ReLU(), *_ending(32)), (4, 8)),
}  # fmt: skip


@pytest.mark.parametrize("clip_norm", [None, 0.7], ids=["plain", "clipped"])
@pytest.mark.parametrize(
    ("sizes", "padded"), [((3, 3, 3), True), ((2, 0, 4), False)], ids=["padded", "as they are"]
)
@pytest.mark.parametrize("name", BODIES)
def test_gradients_are_those_of_one_site_and_sample_at_a_time(
    name: str, sizes: tuple[int, ...], padded: bool, clip_norm: float | None
) -> None:
    torch.manual_seed(0)
    build, shape = BODIES[name]
    body, count = build(), sum(sizes)
    row_P = torch.cat([parameter.detach().flatten() for parameter in body.parameters()])
    rows_SP = torch.stack([row_P * (1 + 0.1 * site) for site in range(len(sizes))])
    inputs, labels = torch.randn(count, *shape), torch.randint(0, LABELS, (count,))
    weights_N = torch.ones(count)
    if padded:
        weights_N[1] = 0
    batch = Batch(inputs, labels, weights_N, sizes, padded)
    with torch.no_grad():
        found_SP = StackedNet(body, KIND).gradients(rows_SP, batch, clip_norm)
    torch.testing.assert_close(found_SP, _expected(body, rows_SP, batch, clip_norm))


def _expected(
    body: nn.Module, rows_SP: torch.Tensor, batch: Batch, clip_norm: float | None
) -> torch.Tensor:
    """Sample by sample, by torch's own gradients."""
    one_site, sums_SP, start = OneSiteNet(body, KIND), torch.zeros_like(rows_SP), 0
    for site, size in enumerate(batch.sizes):
        for sample in range(start, start + size):
            rows = slice(sample, sample + 1)
            alone = Batch(batch.inputs[rows], batch.targets_N[rows], torch.ones(1), (1,), False)
            gradient_P = one_site.gradients(rows_SP[[site]], alone, None)[0]
            factor = batch.weights_N[sample]
            if clip_norm is not None:
                factor = factor * clip_factors(gradient_P.norm(), clip_norm)
            sums_SP[site] += factor * gradient_P
        start += size
    return sums_SP


@pytest.mark.parametrize("channels_last", [False, True])
def test_patches_are_what_a_kernel_sees(channels_last: bool) -> None:
    layer = nn.Conv2d(3, 1, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2))
    values = torch.randn(2, 3, 7, 6)
    expected_NIT = functional.unfold(values, (3, 2), (1, 2), (1, 0), (2, 1))
    patches_NIT = Geometry.of(layer).patches(values, channels_last=channels_last)
    if channels_last:
        patches_NIT = patches_NIT.unflatten(1, (6, 3)).transpose(1, 2).flatten(1, 2)
    assert torch.equal(patches_NIT, expected_NIT)


def test_rows_of_sites_come_back_from_groups_of_channels() -> None:
    values = torch.randn(3 * 2, 5, 4)  # three sites with two rows each
    together = as_groups(values, 3)
    assert together.shape == (2, 15, 1, 4)
    assert torch.equal(together[1, 5:10, 0], values[2 + 1])  # the second row of the second site
    back = torch.empty_like(values)
    from_groups(together, back, 3)
    assert torch.equal(back, values)
