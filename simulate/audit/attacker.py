"""The attacker: a server that sees every update of one site, and knows all but the coins.

White box: it has the plan, the global parameters of each round, the site's own windows and the
canaries; it does not know which canaries are in. That is the adversary of differential privacy,
restricted to a server that follows the protocol.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from fl_common.plan import RunPlan
from fl_common.vocabulary import Parameters, Windows
from models.nets import build_net, load_parameters

_GRADIENT_BYTES = 128 * 2**20
"""Memory for one chunk of per-window gradients."""
_LEAST = torch.finfo(torch.float32).tiny


class Attacker:
    """Sums, over the rounds, how far the site moved along the gradient of each canary.

    The score of a canary is the inner product of minus the update with the canary's gradient (at
    the round's global parameters, scaled to length one). The contribution of the windows known to
    be in the update, and of half of each canary, does not depend on the coins: its direction is
    projected out first.

    ``scores_M`` are the sums, after ``rounds`` updates.
    """

    def __init__(self, plan: RunPlan, known: Windows, canaries: Windows) -> None:
        net = build_net(plan.net, plan.task)
        mechanism = plan.privacy.sample_mechanism
        self._clip_norm = mechanism.clip_norm if mechanism else None
        self._body = net.body.eval()  # without batch statistics and dropout
        with torch.no_grad():
            self._known, self._canaries = (
                (net.front(torch.from_numpy(some.values)), torch.from_numpy(some.labels))
                for some in (known, canaries)
            )
        self._names = [name for name, _ in self._body.named_parameters()]
        self.scores_M = np.zeros(len(canaries))
        self.rounds = 0

    def see(self, parameters: Parameters, delta: Parameters) -> None:
        """Process the site's update of a round that began at ``parameters``."""
        load_parameters(self._body, parameters)
        descent_D = torch.from_numpy(-np.concatenate([delta[name].ravel() for name in self._names]))
        common_D = self._clipped_sum(*self._known) + self._clipped_sum(*self._canaries) / 2
        common_D /= common_D.norm().clamp(min=_LEAST)
        descent_D -= (descent_D @ common_D) * common_D
        scores = [
            (gradients_ND @ descent_D) / gradients_ND.norm(dim=1).clamp(min=_LEAST)
            for gradients_ND in self._gradients(*self._canaries)
        ]
        self.scores_M += torch.cat(scores).numpy().astype(np.float64)
        self.rounds += 1

    def _clipped_sum(self, inputs: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
        """The sum (D,) of all gradients, each clipped as the plan says."""
        total_D = torch.zeros(sum(p.numel() for p in self._body.parameters()))
        for gradients_ND in self._gradients(inputs, labels_N):
            if self._clip_norm is not None:
                norms_N = gradients_ND.norm(dim=1, keepdim=True).clamp(min=_LEAST)
                gradients_ND = gradients_ND * (self._clip_norm / norms_N).clamp(max=1.0)
            total_D += gradients_ND.sum(0)
        return total_D

    def _gradients(self, inputs: torch.Tensor, labels_N: torch.Tensor) -> Iterator[torch.Tensor]:
        """Gradients (n, D) of the loss of each window, in chunks."""
        weights = {name: p.detach() for name, p in self._body.named_parameters()}
        each = vmap(grad(self._loss), in_dims=(None, 0, 0))
        rows = max(1, _GRADIENT_BYTES // (4 * sum(p.numel() for p in weights.values())))
        for some, theirs_N in zip(inputs.split(rows), labels_N.split(rows), strict=True):
            gradients = each(weights, some, theirs_N)
            yield torch.cat([gradients[name].flatten(1) for name in self._names], dim=1)

    def _loss(
        self, weights: dict[str, torch.Tensor], window: torch.Tensor, label: torch.Tensor
    ) -> torch.Tensor:
        logits_1K = functional_call(self._body, weights, (window[None],))
        return cross_entropy(logits_1K, label[None])
