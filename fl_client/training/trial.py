"""Can a network be trained at all? It is tried on made-up windows, before any round and any charge.

What is wrong with a net is a public fact about code: so it is said by name, and both trainers take
or refuse the same nets.
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task
from models.kinds import kind_of
from models.nets import Net

_WINDOWS = 2
_TOLERANCE = 1e-3
"""Of the largest entry of a gradient, between two ways to compute it in float32."""


@lru_cache(maxsize=16)
def why_not_trainable(net: Net, task: Task) -> InvalidConfiguration | None:
    """Why no trainer can train ``net`` on windows of ``task``; None if each can."""
    name = type(net).__name__
    if found := _odd_tensor(net):
        return InvalidConfiguration(f"{found[0]} of net {name}", *found[1:])
    try:
        with _own_chance():
            found = _odd_result(copy.deepcopy(net), task)
    except Exception as error:
        raised = " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(".")
        remedy = "Try it in Python: net(torch.zeros(2, *task.window_shape))"
        return InvalidConfiguration(f"net {name}", f"can't be trained ({raised})", remedy)
    return found and InvalidConfiguration(f"{found[0]} of net {name}", *found[1:])


def why_wrong_gradients(net: Net, task: Task) -> str | None:
    """What is wrong with the gradients of single windows that Opacus finds; None if they are right.

    With dropout and its like, both ways draw the same chance.
    """
    from opacus.grad_sample import GradSampleHooks

    tried = copy.deepcopy(net)
    not_in_place(tried.body)
    trained = [(name, p) for name, p in tried.body.named_parameters() if p.requires_grad]
    kind, targets_N = kind_of(task), _targets(task)
    with _own_chance():
        inputs = tried.front(_windows(task))
        torch.manual_seed(0)
        losses_N = kind.losses(tried.body(inputs), targets_N)
        rows = [
            torch.autograd.grad(loss, [p for _, p in trained], retain_graph=True)
            for loss in losses_N
        ]
        hooks = GradSampleHooks(tried.body, loss_reduction="sum", strict=True)
        torch.manual_seed(0)
        kind.losses(tried.body(inputs), targets_N).sum().backward()
        hooks.remove_hooks()
    for place, (name, parameter) in enumerate(trained):
        found_N = getattr(parameter, "grad_sample", None)
        expected_N = torch.stack([row[place] for row in rows])
        if not isinstance(found_N, torch.Tensor) or not _is_near(found_N, expected_N):
            return f"its gradients of {name} are not those of each window"
    return None


def not_in_place(body: nn.Module) -> None:
    """Let no layer overwrite its values: those before are needed for gradients."""
    for module in body.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]


def _odd_tensor(net: Net) -> tuple[str, str, str] | None:
    """What of the parameters can't be: the value, the rule and the remedy."""
    for name, tensor in [*net.body.named_parameters(), *net.body.named_buffers()]:
        if is_lazy(tensor):
            remedy = "Give the layer its sizes: nn.Linear(16, 3), not nn.LazyLinear(3)"
            return f"parameter {name}", "has no size before the first window", remedy
        if tensor.dtype != torch.float32 and (tensor.is_floating_point() or tensor.is_complex()):
            kind = str(tensor.dtype).removeprefix("torch.")
            remedy = "Leave out .double(), .half() and .bfloat16()"
            return f"{name}", f"is {kind}, and all that is trained or sent is float32", remedy
    if not any(parameter.requires_grad for parameter in net.body.parameters()):
        return (
            "the body",
            "has no parameter that is trained",
            "Leave requires_grad of some as it is",
        )
    return None


def _odd_result(net: Net, task: Task) -> tuple[str, str, str] | None:
    """What of the outputs or the gradients can't be; raises what the net raises."""
    asked = kind_of(task)
    size = asked.outputs
    result = net.train().body(net.front(_windows(task)))
    what = "a logit for each label" if task.labels else "what tells the number"
    wanted = f"must be a float32 tensor (N, {size}): {what} of task {task.name}"
    remedy = "Let the last layer be nn.Linear(..., kind_of(task).outputs), and return its output"
    if not isinstance(result, torch.Tensor):
        return f"the output, a {type(result).__name__},", wanted, remedy
    if result.shape != (_WINDOWS, size) or result.dtype != torch.float32:
        kind = str(result.dtype).removeprefix("torch.")
        shape = ", ".join(map(str, result.shape))
        return f"the output, {kind} ({shape}) for {_WINDOWS} windows,", wanted, remedy
    trained = {name: p for name, p in net.body.named_parameters() if p.requires_grad}
    loss = asked.losses(result, _targets(task)).mean()
    found = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
    unused = [name for name, part in zip(trained, found, strict=True) if part is None]
    if unused:
        remedy = "Remove it, or freeze it: requires_grad=False"
        return f"parameter {unused[0]}", "takes no part in the output", remedy
    return None


def _windows(task: Task) -> torch.Tensor:
    """Windows as the task declares them."""
    along = [1] * (len(task.window_shape) + 1)
    along[task.channel_axis + 1] = len(task.center)
    center, scale = (torch.tensor(each).reshape(along) for each in (task.center, task.scale))
    drawn = torch.randn(_WINDOWS, *task.window_shape, generator=torch.Generator().manual_seed(0))
    return center + scale * drawn


def _targets(task: Task) -> torch.Tensor:
    return torch.from_numpy(kind_of(task).example_targets(_WINDOWS))


def _is_near(found: torch.Tensor, expected: torch.Tensor) -> bool:
    largest = max(float(expected.abs().max()), 1e-6)
    if found.shape != expected.shape:
        return False
    return torch.allclose(found, expected, rtol=0.0, atol=_TOLERANCE * largest, equal_nan=True)


@contextmanager
def _own_chance() -> Iterator[None]:
    """Leave the process's generator as it is, and torch's warnings unsaid."""
    with (
        torch.random.fork_rng(devices=[]),
        torch.enable_grad(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        yield
