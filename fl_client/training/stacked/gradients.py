"""Per-sample gradients of one parameter, in the form that costs least for what is asked of them.

N is sites x batch, a site's samples in a row; S sites of B samples. Under DP the norms are asked
for and then a weighted sum; without DP the plain sum alone.
"""

from typing import Protocol

import torch

_GRAM_ADVANTAGE = 8
"""Forming a gradient costs memory traffic: about this many multiplications per entry."""


class SampleGradients(Protocol):
    """One parameter's gradients, for each sample."""

    def squared_norms(self) -> torch.Tensor:
        """Squared L2 norm of each sample's gradient, shape (N,)."""
        ...

    def weighted_sum(self, weights_SB: torch.Tensor) -> torch.Tensor:
        """``sum_b weights[s, b] * gradient[s, b]`` for each site, shape (S, entries)."""
        ...

    def plain_sum(self, sites: int) -> torch.Tensor:
        """``sum_b gradient[s, b]`` for each site, shape (S, entries)."""
        ...


class VectorGradients:
    """Gradients of few entries (a bias, a scale) as they are, shape (N, entries)."""

    def __init__(self, gradients_NX: torch.Tensor) -> None:
        self._gradients_NX = gradients_NX

    def squared_norms(self) -> torch.Tensor:
        """See ``SampleGradients``."""
        norms_N: torch.Tensor = torch.linalg.vector_norm(self._gradients_NX, dim=1)
        return norms_N.square()

    def weighted_sum(self, weights_SB: torch.Tensor) -> torch.Tensor:
        """See ``SampleGradients``."""
        gradients_SBX = self._gradients_NX.view(*weights_SB.shape, -1)
        return torch.bmm(weights_SB.unsqueeze(1), gradients_SBX).squeeze(1)

    def plain_sum(self, sites: int) -> torch.Tensor:
        """See ``SampleGradients``."""
        return self._gradients_NX.view(sites, -1, self._gradients_NX.shape[1]).sum(1)


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
        self._product: VectorGradients | None = None

    def squared_norms(self) -> torch.Tensor:
        """See ``SampleGradients``."""
        if self._product_is_cheaper():
            product_NOI = torch.bmm(self._backprops_NOT, self._activations_NIT.transpose(1, 2))
            self._product = VectorGradients(product_NOI.flatten(1))
            return self._product.squared_norms()
        factors = (self._backprops_NOT, self._activations_NIT)
        if self._backprops_NOT.shape[2] == 1:
            one, other = (torch.linalg.vector_norm(f.flatten(1), dim=1) for f in factors)
            lengths_N: torch.Tensor = one * other
            return lengths_N.square()
        one, other = (torch.bmm(factor.transpose(1, 2), factor) for factor in factors)
        return (one * other).sum((1, 2)).clamp(min=0)

    def weighted_sum(self, weights_SB: torch.Tensor) -> torch.Tensor:
        """See ``SampleGradients``."""
        if self._product is not None:
            return self._product.weighted_sum(weights_SB)
        backprops_SBOT = self._backprops_NOT.unflatten(0, weights_SB.shape)
        return self._sum_over_samples(backprops_SBOT * weights_SB[:, :, None, None])

    def plain_sum(self, sites: int) -> torch.Tensor:
        """See ``SampleGradients``."""
        return self._sum_over_samples(self._backprops_NOT.unflatten(0, (sites, -1)))

    def _sum_over_samples(self, backprops_SBOT: torch.Tensor) -> torch.Tensor:
        activations_SBIT = self._activations_NIT.unflatten(0, backprops_SBOT.shape[:2])
        left_SOX = backprops_SBOT.transpose(1, 2).flatten(2)
        right_SXI = activations_SBIT.transpose(2, 3).flatten(1, 2)
        return torch.bmm(left_SOX, right_SXI).flatten(1)

    def _product_is_cheaper(self) -> bool:
        _, outputs, places = self._backprops_NOT.shape
        inputs = self._activations_NIT.shape[1]
        return places > 1 and places**2 * (outputs + inputs) > _GRAM_ADVANTAGE * outputs * inputs
