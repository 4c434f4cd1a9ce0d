"""Per-sample gradients of one parameter, in the cheapest form.

Under DP their norms are computed, and then a weighted sum; without DP layers write plain sums.
A norm is that of the gradient which is summed, or a product of two norms. It is never a difference
of large numbers, as one from Gram matrices is (Li et al. 2022, section 4): with parameters of a
server's choice such a norm can vanish where the gradient is large.
"""

from collections.abc import Callable

import torch

from fl_client.training.stacked.stack import Stack

_CHUNK_BYTES = 1 << 20
"""Activations that are multiplied at once: within a core's own cache."""

_LONGEST = 1 << 15
"""Entries whose squares are summed in float32, with a relative error below 2^-9: torch keeps at
least eight partial sums. Longer rows are summed in pieces, and those in float64."""

Activations = Callable[[slice], torch.Tensor]
"""Makes the activations (n, I, T) of some samples, where keeping all of them costs more."""


def squared_lengths(gradients_NX: torch.Tensor) -> torch.Tensor:
    """Squared L2 norm of each row, shape (N,); infinite where float32 can't hold it."""
    lengths_N: torch.Tensor
    if gradients_NX.shape[1] <= _LONGEST:
        lengths_N = torch.linalg.vector_norm(gradients_NX, dim=1)
        return lengths_N.square_()
    pieces = gradients_NX.split(_LONGEST, dim=1)
    lengths_KN = torch.stack([torch.linalg.vector_norm(piece, dim=1) for piece in pieces])
    return lengths_KN.double().square_().sum(0).float()


def not_finite(squared_norms: torch.Tensor) -> torch.Tensor:
    """Indices of samples whose gradient, or its norm, float32 can't hold: they count as zero.

    What a sample contributes is then bounded whatever it holds, and nobody learns of it.
    """
    return (~torch.isfinite(squared_norms)).nonzero().flatten()


class MatrixGradients:
    """A matrix applied at T places of a sample (readings, pixels, steps of a recurrent net).

    Its gradient is ``backprops_OT @ activations_IT^T``. For T = 1 the factors are kept: the norm is
    the product of theirs (Goodfellow 2015), and the clipped sum is one product over all of a site's
    samples, with weighted backprops (Bu et al. 2022). Otherwise it is multiplied out. ``inputs`` is
    I.
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
        """Squared L2 norm of each sample's gradient, shape (N,); not finite where it is not."""
        if self._backprops_NOT.shape[2] != 1:
            return self._multiply_out()
        factors = (self._backprops_NOT, self._activations(slice(None)))
        one, other = (squared_lengths(factor.flatten(1)) for factor in factors)
        return one * other

    def weighted_sum(
        self, weights_N: torch.Tensor, left_out: torch.Tensor, stack: Stack
    ) -> torch.Tensor:
        """``sum_b weights[b] * gradient[b]`` over each site's samples, shape (S, entries).

        The samples ``left_out`` (indices) count as zero, whatever their gradients hold.
        """
        if self._product_NX is not None:
            return stack.weighted_sum(self._product_NX.index_fill_(0, left_out, 0), weights_N)
        weighted_NOT = self._backprops_NOT * weights_N.view(-1, 1, 1)
        activations_NIT = self._activations(slice(None)).index_fill_(0, left_out, 0)
        weighted_NOT.index_fill_(0, left_out, 0)
        return stack.sum_of_products(weighted_NOT, activations_NIT).flatten(1)

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
