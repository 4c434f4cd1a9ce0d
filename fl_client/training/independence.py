"""Does a network treat each window by itself? Under DP it must, and anybody may write a network.

Clipping bounds what a window adds to a sum only if no other window's gradient depends on it: a
layer that subtracts the mean of a batch moves all gradients by one window, and no rule about types
of layers finds that. So the network is tried, once: at several parameters, with windows that are
replaced, and with one that is added, the output and the gradient of a window must stay as they are.
This finds what mixes at usual and at large values. It can't find a network that mixes at chosen
values alone, and it is no defence against code that was installed to deceive.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fl_common.vocabulary import Task
from models.kinds import kind_of
from models.nets import Net

_SETTINGS = 3
_LEVELS = (1.0, 0.0, 1e4)
"""How large the windows are that take another's place, in scales of their sensor."""
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}
"""Of the largest number compared: rounding depends on the size of a batch."""


def mixes_windows(net: Net, task: Task) -> bool:
    """Whether a window's output or gradient in ``net`` depends on other windows of its batch."""
    try:
        return _mixes(net, task, torch.float64)
    except Exception:  # it makes float32 tensors of its own
        return _mixes(net, task, torch.float32)


def _mixes(net: Net, task: Task, kind: torch.dtype) -> bool:
    tried, chance = copy.deepcopy(net).to(kind), torch.Generator().manual_seed(0)
    tried.front.eval()
    tried.body.train()
    trial = _Trial(tried, task, kind)
    with _own_chance():
        for setting in range(_SETTINGS):
            if setting:
                _move(tried, chance)
            if trial.tells_others(chance):
                return True
    return False


class _Trial:
    """Compares what one network makes of the first window beside various others."""

    def __init__(self, net: Net, task: Task, kind: torch.dtype) -> None:
        self._net, self._kind = net, kind
        self._shape, self._task_kind = task.window_shape, kind_of(task)
        along = [1] * (len(task.window_shape) + 1)
        along[task.channel_axis + 1] = len(task.center)
        self._center = torch.tensor(task.center, dtype=kind).reshape(along)
        self._scale = torch.tensor(task.scale, dtype=kind).reshape(along)

    def tells_others(self, chance: torch.Generator) -> bool:
        """Whether the first window's result shows what the others are, or how many."""
        first = self._windows(1, 1.0, chance)
        others = [self._windows(2, level, chance) for level in _LEVELS]
        results = [self._result(torch.cat([first, two])) for two in others]
        if self._is_random(first):  # masks of another batch size are other masks
            self._net.body.eval()
            results = [self._result(torch.cat([first, others[0]]))]
        results.append(self._result(torch.cat([first, others[0], others[2][:1]])))
        self._net.body.train()
        return any(self._differs(results[0], result) for result in results[1:])

    def _windows(self, count: int, level: float, chance: torch.Generator) -> torch.Tensor:
        drawn = torch.randn(count, *self._shape, generator=chance, dtype=self._kind)
        return self._center + level * self._scale * drawn

    def _is_random(self, first: torch.Tensor) -> bool:
        with torch.no_grad():
            torch.manual_seed(1)
            one = self._net(first)
            torch.manual_seed(2)
            return not torch.equal(one, self._net(first))

    def _result(self, values: torch.Tensor) -> torch.Tensor:
        """Output and gradient of the first window, flat; the same chance each time."""
        torch.manual_seed(0)
        logits = self._net(values)
        target_1 = torch.from_numpy(self._task_kind.example_targets(self._task_kind.outputs)[-1:])
        loss = self._task_kind.losses(logits[:1], target_1).sum()
        weights = [weight for weight in self._net.body.parameters() if weight.requires_grad]
        found = torch.autograd.grad(loss, weights, allow_unused=True) if weights else ()
        parts = [part.flatten() for part in found if part is not None]
        return torch.cat([logits[0].detach().flatten(), *parts])

    def _differs(self, one: torch.Tensor, other: torch.Tensor) -> bool:
        largest = max(float(one.nan_to_num().abs().max()), 1e-12)
        near = {"rtol": 0.0, "atol": _TOLERANCE[self._kind] * largest}
        return one.shape != other.shape or not torch.allclose(one, other, **near, equal_nan=True)


def _move(net: Net, chance: torch.Generator) -> None:
    """Other parameters, of a usual size."""
    with torch.no_grad():
        for weight in net.body.parameters():
            drawn = torch.randn(weight.shape, generator=chance, dtype=weight.dtype)
            weight.add_(drawn, alpha=0.3)


@contextmanager
def _own_chance() -> Iterator[None]:
    """Leave the process's generator as it is."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        yield
