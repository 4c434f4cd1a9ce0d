"""The gradient of each window by itself, computed apart from any trainer."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.func import functional_call, grad, vmap

from fl_common.plan import RunPlan
from fl_common.vocabulary import Parameters, Windows
from models.kinds import kind_of
from models.nets import build_net, load_parameters

_GRADIENT_BYTES = 128 * 2**20
"""Memory for one chunk of per-window gradients."""
_LEAST = torch.finfo(torch.float32).tiny


class WindowGradients:
    """Gradients of ``plan``'s loss at ``parameters``, which ``at`` sets, flat in a fixed order."""

    def __init__(self, plan: RunPlan) -> None:
        self._net, self._kind = build_net(plan.net, plan.task), kind_of(plan.task)
        self._body = self._net.body.eval()  # without batch statistics and dropout
        trained = ((name, p) for name, p in self._body.named_parameters() if p.requires_grad)
        self._sizes = {name: p.numel() for name, p in trained}

    @property
    def size(self) -> int:
        """The number of trained parameters."""
        return sum(self._sizes.values())

    def at(self, parameters: Parameters) -> None:
        """Compute gradients at these parameters from now on."""
        load_parameters(self._body, parameters)

    def flat(self, delta: Parameters) -> torch.Tensor:
        """An update of the trained parameters as one vector (D,)."""
        return torch.from_numpy(np.concatenate([delta[name].ravel() for name in self._sizes]))

    def prepared(self, windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
        """Windows after the front end, and their targets: what ``of`` takes."""
        with torch.no_grad():
            inputs = self._net.front(torch.from_numpy(windows.values))
        return inputs, torch.from_numpy(self._kind.targets(windows.labels))

    def of(self, inputs: torch.Tensor, targets_N: torch.Tensor) -> Iterator[torch.Tensor]:
        """Gradients (n, D) of the loss of each window, in chunks."""
        weights = {name: p.detach() for name, p in self._body.named_parameters()}
        trained = {name: weights[name] for name in self._sizes}
        fixed = {name: p for name, p in weights.items() if name not in trained}

        def loss(
            some: dict[str, torch.Tensor], window: torch.Tensor, target: torch.Tensor
        ) -> torch.Tensor:
            outputs_1D = functional_call(self._body, {**fixed, **some}, (window[None],))
            return self._kind.losses(outputs_1D, target[None])[0]

        each = vmap(grad(loss), in_dims=(None, 0, 0))
        rows = max(1, _GRADIENT_BYTES // (4 * self.size))
        for some, theirs_N in zip(inputs.split(rows), targets_N.split(rows), strict=True):
            gradients = each(trained, some, theirs_N)
            yield torch.cat([gradients[name].flatten(1) for name in self._sizes], dim=1)


def clipped(gradients_ND: torch.Tensor, clip_norm: float) -> torch.Tensor:
    """Each gradient scaled down to an L2 norm of ``clip_norm``, if it is longer."""
    norms_N = gradients_ND.norm(dim=1, keepdim=True).clamp(min=_LEAST)
    bounded_ND: torch.Tensor = gradients_ND * (clip_norm / norms_N).clamp(max=1.0)
    return bounded_ND
