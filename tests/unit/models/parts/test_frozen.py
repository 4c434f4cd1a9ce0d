"""Frozen layers at the beginning of a body: found, passed once, and left where they may not be."""

import numpy as np
import pytest
import torch
from torch import nn

from models.nets import parameters_of
from models.parts.frozen import frozen_layers

SHAPE = torch.Size([4])


class Centred(nn.Module):
    """Takes away the mean of a batch: a window's numbers depend on the others."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values - values.mean(0)


class Branched(nn.Sequential):
    """A body of layers in an order of its own."""


def frozen(*more: nn.Module) -> list[nn.Module]:
    return [nn.Linear(4, 5).requires_grad_(False), *more]


@pytest.mark.parametrize(
    "body",
    [
        nn.Linear(4, 3),
        nn.Sequential(nn.Tanh(), nn.Linear(4, 3)),
        nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3).requires_grad_(False)),
        nn.Sequential(*frozen()),
        nn.Sequential(*frozen(nn.Dropout(0.5)), nn.Linear(5, 3)),
        nn.Sequential(*frozen(Centred()), nn.Linear(5, 3)),
        Branched(*frozen(), nn.Linear(5, 3)),
    ],
)
def test_what_each_step_has_to_run_is_no_part_of_them(body: nn.Module) -> None:
    assert frozen_layers(body, SHAPE) is None
    assert frozen_layers(body.eval(), SHAPE) is None


def test_layers_that_learn_without_gradients_are_left_to_the_steps() -> None:
    body = nn.Sequential(*frozen(nn.BatchNorm1d(5, affine=False)), nn.Linear(5, 3))
    layers = frozen_layers(body, SHAPE)
    assert layers is not None
    assert [name for name, _ in layers.rest.named_children()] == ["1", "2"]


def test_the_rest_makes_the_same_of_what_they_make() -> None:
    body = nn.Sequential(*frozen(nn.ReLU()), nn.Linear(5, 3))
    layers = frozen_layers(body, SHAPE)
    assert layers is not None
    values = torch.randn(150, 4)
    torch.testing.assert_close(layers.rest(layers(values, parameters_of(body))), body(values))
    assert {name for name, _ in layers.rest.named_parameters()} == {"2.weight", "2.bias"}
    moved = {name: array + np.float32(1) for name, array in parameters_of(body).items()}
    assert layers.digest(moved) != layers.digest(parameters_of(body))
    assert not torch.equal(layers(values, moved), layers(values, parameters_of(body)))


def test_a_window_is_rounded_alike_however_many_there_are() -> None:
    body = nn.Sequential(nn.Linear(300, 50).requires_grad_(False), nn.Linear(50, 3))
    layers = frozen_layers(body, torch.Size([300]))
    assert layers is not None
    values, parameters = torch.randn(130, 300), parameters_of(body)
    whole = layers(values, parameters)
    for windows in (1, 2, 63, 65, 129):
        assert torch.equal(layers(values[:windows], parameters), whole[:windows])
