"""A check of the network contract, for authors' own tests.

Only for tests: a failing assertion explains what is wrong.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from opacus import GradSampleModule
from opacus.validators import ModuleValidator
from torch import nn

from fl_common.errors import ExportMismatch
from fl_common.params import digest
from fl_common.vocabulary import Floats, NetSpec, Task
from models.export import export_onnx
from models.kinds import TaskKind, kind_of
from models.lineage import Lineage
from models.nets import Net, make_net, parameters_of

_WINDOWS = 5


def check_net(net_class: type[Net], task: Task, **options: Any) -> None:
    """Check that ``net_class`` can be trained with DP on ``task``, exported and repeated.

    It has the outputs that the task needs and the same parameters from the same seed, what a window
    gives does not depend on the others, Opacus takes each layer and finds the gradient of each
    window, and ONNX Runtime computes what torch computes.

    Raises:
        AssertionError: one of these fails.
        InvalidConfiguration: it can't be built.
    """
    assert issubclass(net_class, Net), f"{net_class.__name__} is no subclass of models.nets.Net"
    net = make_net(net_class, options, task, seed=1)
    values_N = readings(task, _WINDOWS)
    _check_seed(net_class, options, task)
    problems = ModuleValidator.validate(net.body, strict=False)
    assert not problems, f"Opacus can't train it with DP: {problems[0]}"
    _check_windows_alone(net, torch.from_numpy(values_N), kind_of(task))
    _check_gradients(net, torch.from_numpy(values_N), kind_of(task))
    _check_export(net, task, values_N)


def readings(task: Task, count: int) -> Floats:
    """Windows (count, *task.window_shape) in sensor units, spread as the task declares."""
    along = [1] * len(task.window_shape)
    along[task.channel_axis] = len(task.center)
    center, scale = (np.reshape(numbers, along) for numbers in (task.center, task.scale))
    drawn = np.random.default_rng(0).standard_normal((count, *task.window_shape))
    values: Floats = (center + scale * drawn).astype(np.float32)
    return values


def _check_seed(net_class: type[Net], options: Mapping[str, Any], task: Task) -> None:
    state = torch.get_rng_state()
    first, again = (digest(parameters_of(make_net(net_class, options, task, 7))) for _ in "12")
    assert first == again, "the same seed gives other parameters: draw by torch's generator alone"
    assert torch.equal(torch.get_rng_state(), state)


def _check_windows_alone(net: Net, values_N: torch.Tensor, kind: TaskKind) -> None:
    with torch.no_grad():
        together, alone = net(values_N), torch.cat([net(one) for one in values_N.split(1)])
    shape = tuple(together.shape)
    size = kind.outputs
    assert shape == (len(values_N), size), f"outputs have shape {shape}, not (N, {size})"
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-4), (
        "what a window gives depends on the other windows of its batch: with DP no layer may mix"
        " windows, as batch normalisation does"
    )


def _check_gradients(net: Net, values_N: torch.Tensor, kind: TaskKind) -> None:
    inputs, targets_N = net.front(values_N), torch.from_numpy(kind.example_targets(len(values_N)))
    ones = zip(inputs.split(1), targets_N.split(1), strict=True)
    rows = [_gradient(net, kind, input_1, target_1) for input_1, target_1 in ones]
    private = GradSampleModule(net.body, strict=True, loss_reduction="sum")
    kind.losses(private(inputs), targets_N).sum().backward()
    for position, (name, parameter) in enumerate(_trained(net)):
        found_N = vars(parameter)["grad_sample"]
        expected_N = torch.stack([row[position] for row in rows])
        size = max(float(expected_N.abs().max()), 1e-3)
        assert torch.allclose(found_N, expected_N, rtol=1e-4, atol=1e-5 * size), (
            f"Opacus' gradients of {name} are not those of each window by itself"
        )


def _gradient(
    net: Net, kind: TaskKind, inputs_1: torch.Tensor, target_1: torch.Tensor
) -> list[torch.Tensor]:
    """Of one window, by plain autograd."""
    loss = kind.losses(net.body(inputs_1), target_1).sum()
    names, parameters = zip(*_trained(net), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    unused = [name for name, gradient in zip(names, found, strict=True) if gradient is None]
    assert not unused, f"{', '.join(unused)}: takes no part in the loss"
    return list(found)


def _trained(net: Net) -> list[tuple[str, nn.Parameter]]:
    found = [(name, p) for name, p in net.body.named_parameters() if p.requires_grad]
    assert found, "nothing is trained: every parameter has requires_grad=False"
    return found


def _check_export(net: Net, task: Task, values_N: Floats) -> None:
    lineage = Lineage("0", "check", 1, NetSpec(type(net).__name__), {"unit": "none"})
    with TemporaryDirectory() as folder:
        try:
            export_onnx(net, task, Path(folder, "model.onnx"), lineage, values_N)
        except ExportMismatch as error:
            raise AssertionError(str(error)) from error
