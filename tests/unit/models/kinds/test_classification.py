"""Classification is softmax and cross-entropy, to the last bit; its measures are honest."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from models.kinds import kind_of
from tests.support import samples

KIND = kind_of(samples.TASK)
K = KIND.outputs


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    outputs_NK = 5 * torch.randn(64, K, generator=generator)
    return outputs_NK.requires_grad_(), torch.arange(64) % K


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_and_their_gradients_are_those_of_cross_entropy(reduction: str) -> None:
    outputs_NK, labels_N = drawn()
    found_N = KIND.losses(outputs_NK, labels_N)
    assert torch.equal(found_N, cross_entropy(outputs_NK, labels_N, reduction="none"))
    (found,) = torch.autograd.grad(getattr(found_N, reduction)(), outputs_NK)
    loss = cross_entropy(outputs_NK, labels_N, reduction=reduction)
    (expected,) = torch.autograd.grad(loss, outputs_NK)
    assert torch.equal(found, expected)


def test_the_gradient_by_the_outputs_is_probabilities_less_the_label() -> None:
    outputs_NK, labels_N = drawn()
    found_NK = KIND.toward(outputs_NK.detach(), labels_N)
    assert torch.equal(found_NK, outputs_NK.detach().softmax(1) - one_hot(labels_N, K).float())


def test_a_label_that_is_never_named_weighs_as_much_as_any_other() -> None:
    truth_N = np.array([0] * 98 + [1] * 2)
    sums = KIND.sums(truth_N[:50], np.zeros(50, np.int64))
    sums = sums + KIND.sums(truth_N[50:], np.zeros(50, np.int64))
    measured = KIND.measured(sums)
    assert measured["accuracy"] == 0.98
    assert measured["balanced_accuracy"] == 0.5
    assert measured["macro_f1"] == pytest.approx(0.98 / (1 + 0.98))
