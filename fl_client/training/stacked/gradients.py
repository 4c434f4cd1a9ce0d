"""Per-sample gradients of one parameter, in the form that costs least.

Under DP the norms are asked for and then a weighted sum; without DP the plain sum alone.
"""

import torch

from fl_client.training.stacked.stack import Stack

_GRAM_ADVANTAGE = 8
"""Forming a gradient costs memory traffic: about this many multiplications per entry."""


def squared_lengths(gradients_NX: torch.Tensor) -> torch.Tensor:
    """Squared L2 norm of each row, shape (N,)."""
    lengths_N: torch.Tensor = torch.linalg.vector_norm(gradients_NX, dim=1)
    return lengths_N.square_()


class MatrixGradients:
    """A matrix applied at T places of a sample (readings, pixels, steps of a recurrent net).

    Its gradient is ``backprops_OT @ activations_IT^T``: multiplied out, or kept as its factors. For
    T = 1 the norm is the product of the factors' norms (Goodfellow 2015); for small T it follows
    from two Gram matrices (Li et al. 2022, section 4); else the product is cheaper. Where it is not
    formed, the clipped sum is one product over all of a site's samples, with weighted backprops
    (Bu et al. 2022).
    """

    def __init__(self, backprops_NOT: torch.Tensor, activations_NIT: torch.Tensor) -> None:
        self._backprops_NOT, self._activations_NIT = backprops_NOT, activations_NIT
        self._product_NX: torch.Tensor | None = None

    def squared_norms(self) -> torch.Tensor:
        """Squared L2 norm of each sample's gradient, shape (N,)."""
        if self._product_is_cheaper():
            product_NOI = torch.bmm(self._backprops_NOT, self._activations_NIT.transpose(1, 2))
            self._product_NX = product_NOI.flatten(1)
            return squared_lengths(self._product_NX)
        factors = (self._backprops_NOT, self._activations_NIT)
        if self._backprops_NOT.shape[2] == 1:
            one, other = (squared_lengths(factor.flatten(1)) for factor in factors)
            return one * other
        one, other = (torch.bmm(factor.transpose(1, 2), factor) for factor in factors)
        return (one * other).sum((1, 2)).clamp(min=0)

    def weighted_sum(self, weights_N: torch.Tensor, stack: Stack) -> torch.Tensor:
        """``sum_b weights[b] * gradient[b]`` over each site's samples, shape (S, entries)."""
        if self._product_NX is not None:
            return stack.weighted_sum(self._product_NX, weights_N)
        weighted_NOT = self._backprops_NOT * weights_N.view(-1, 1, 1)
        return stack.sum_of_products(weighted_NOT, self._activations_NIT).flatten(1)

    def plain_sum(self, stack: Stack) -> torch.Tensor:
        """``sum_b gradient[b]`` over each site's samples, shape (S, entries)."""
        if self._product_is_cheaper():
            product_NOI = torch.bmm(self._backprops_NOT, self._activations_NIT.transpose(1, 2))
            return stack.plain_sum(product_NOI.flatten(1))
        return stack.sum_of_products(self._backprops_NOT, self._activations_NIT).flatten(1)

    def _product_is_cheaper(self) -> bool:
        _, outputs, places = self._backprops_NOT.shape
        inputs = self._activations_NIT.shape[1]
        return places > 1 and places**2 * (outputs + inputs) > _GRAM_ADVANTAGE * outputs * inputs
