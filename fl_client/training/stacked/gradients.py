"""Per-sample gradients of one parameter, in the form that costs least.

N is sites x batch, a site's samples in a row; S sites of B samples. Under DP the norms are asked
for and then a weighted sum; without DP the plain sum alone.
"""

import torch

_GRAM_ADVANTAGE = 8
"""Forming a gradient costs memory traffic: about this many multiplications per entry."""


def squared_lengths(gradients_NX: torch.Tensor) -> torch.Tensor:
    """Squared L2 norm of each row, shape (N,)."""
    lengths_N: torch.Tensor = torch.linalg.vector_norm(gradients_NX, dim=1)
    return lengths_N.square_()


def weighted_rows(gradients_NX: torch.Tensor, weights_SB: torch.Tensor) -> torch.Tensor:
    """``sum_b weights[s, b] * gradients[s, b]`` for each site, shape (S, X)."""
    gradients_SBX = gradients_NX.view(*weights_SB.shape, -1)
    return torch.bmm(weights_SB.unsqueeze(1), gradients_SBX).squeeze(1)


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

    def weighted_sum(self, weights_SB: torch.Tensor) -> torch.Tensor:
        """``sum_b weights[s, b] * gradient[s, b]`` for each site, shape (S, entries)."""
        if self._product_NX is not None:
            return weighted_rows(self._product_NX, weights_SB)
        weighted_NOT = self._backprops_NOT * weights_SB.view(-1, 1, 1)
        return sum_of_products(weighted_NOT, self._activations_NIT, weights_SB.shape[0]).flatten(1)

    def plain_sum(self, sites: int) -> torch.Tensor:
        """``sum_b gradient[s, b]`` for each site, shape (S, entries)."""
        if self._product_is_cheaper():
            product_NOI = torch.bmm(self._backprops_NOT, self._activations_NIT.transpose(1, 2))
            return product_NOI.view(sites, product_NOI.shape[0] // sites, -1).sum(1)
        return sum_of_products(self._backprops_NOT, self._activations_NIT, sites).flatten(1)

    def _product_is_cheaper(self) -> bool:
        _, outputs, places = self._backprops_NOT.shape
        inputs = self._activations_NIT.shape[1]
        return places > 1 and places**2 * (outputs + inputs) > _GRAM_ADVANTAGE * outputs * inputs


def sum_of_products(
    backprops_NOT: torch.Tensor, activations_NIT: torch.Tensor, sites: int
) -> torch.Tensor:
    """``sum_bt backprops[b, o, t] * activations[b, i, t]`` for each site, shape (S, O, I)."""
    _, outputs, places = backprops_NOT.shape
    left = backprops_NOT.view(sites, -1, outputs, places).permute(0, 2, 1, 3)
    right = activations_NIT.view(sites, -1, activations_NIT.shape[1], places).permute(0, 1, 3, 2)
    return torch.bmm(
        left.reshape(sites, outputs, -1), right.reshape(sites, -1, activations_NIT.shape[1])
    )
