"""The attacker: a server that sees every update of one site, and knows all but the coins.

White box: it has the plan, the global parameters of each round, the site's own windows and the
canaries; it does not know which canaries are in. That is the adversary of differential privacy,
restricted to a server that follows the protocol.
"""

import numpy as np
import torch

from fl_common.plan import RunPlan
from fl_common.vocabulary import Parameters, Windows
from simulate.audit.gradients import WindowGradients, clipped

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
        mechanism = plan.privacy.sample_mechanism
        self._clip_norm = mechanism.clip_norm if mechanism else float("inf")
        self._gradients = WindowGradients(plan)
        self._known, self._canaries = map(self._gradients.prepared, (known, canaries))
        self.scores_M = np.zeros(len(canaries))
        self.rounds = 0

    def see(self, parameters: Parameters, delta: Parameters) -> None:
        """Process the site's update of a round that began at ``parameters``."""
        self._gradients.at(parameters)
        descent_D = -self._gradients.flat(delta)
        common_D = self._clipped_sum(*self._known) + self._clipped_sum(*self._canaries) / 2
        common_D /= common_D.norm().clamp(min=_LEAST)
        descent_D -= (descent_D @ common_D) * common_D
        scores = [
            (gradients_ND @ descent_D) / gradients_ND.norm(dim=1).clamp(min=_LEAST)
            for gradients_ND in self._gradients.of(*self._canaries)
        ]
        self.scores_M += torch.cat(scores).numpy().astype(np.float64)
        self.rounds += 1

    def _clipped_sum(self, inputs: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
        """The sum (D,) of all gradients, each clipped as the plan says."""
        total_D = torch.zeros(self._gradients.size)
        for gradients_ND in self._gradients.of(inputs, labels_N):
            total_D += clipped(gradients_ND, self._clip_norm).sum(0)
        return total_D
