"""Per-sample gradients of one parameter, in the form that costs least.

Under DP the norms are asked for and then a weighted sum; without DP layers write plain sums.
"""

from collections.abc import Callable

import torch

from fl_client.training.stacked.stack import Stack

_GRAM_ADVANTAGE = 8
"""Forming a gradient costs memory traffic: about this many multiplications per entry."""

_CHUNK_BYTES = 1 << 20
"""Activations that are multiplied at once: within a core's own cache."""

Activations = Callable[[slice], torch.Tensor]
"""Makes the activations (n, I, T) of some samples, where keeping all of them costs more."""


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
    (Bu et al. 2022). ``inputs`` is I.
    """

    def __init__(self, backprops_NOT: torch.Tensor, activations: Activations, inputs: int) -> None:
        self._backprops_NOT, self._activations = backprops_NOT, activations
        self._inputs = inputs
        self._product_NX: torch.Tensor | None = None

    @classmethod
    def of(cls, backprops_NOT: torch.Tensor, activations_NIT: torch.Tensor) -> "MatrixGradients":
        """With activations that are there."""
        return cls(backprops_NOT, activations_NIT.__getitem__, activations_NIT.shape[1])

    def squared_norms(self) -> torch.Tensor:
        """Squared L2 norm of each sample's gradient, shape (N,)."""
        if self._product_is_cheaper():
            return self._multiply_out()
        factors = (self._backprops_NOT, self._activations(slice(None)))
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
        return stack.sum_of_products(weighted_NOT, self._activations(slice(None))).flatten(1)

    def _multiply_out(self) -> torch.Tensor:
        """Form the product, a cacheful of samples at a time, and give its squared norms."""
        samples, outputs, places = self._backprops_NOT.shape
        product_NOI = self._backprops_NOT.new_empty(samples, outputs, self._inputs)
        self._product_NX = product_NOI.flatten(1)
        squares_N = self._backprops_NOT.new_empty(samples)
        size = max(1, _CHUNK_BYTES // (4 * self._inputs * places))
        for start in range(0, samples, size):
            rows = slice(start, start + size)
            activations_NTI = self._activations(rows).transpose(1, 2)
            torch.bmm(self._backprops_NOT[rows], activations_NTI, out=product_NOI[rows])
            squares_N[rows] = squared_lengths(self._product_NX[rows])
        return squares_N

    def _product_is_cheaper(self) -> bool:
        _, outputs, places = self._backprops_NOT.shape
        entries = outputs * self._inputs
        return places > 1 and places**2 * (outputs + self._inputs) > _GRAM_ADVANTAGE * entries
