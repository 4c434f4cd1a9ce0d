"""Every network: trainable with DP, built from its configuration, strict about what it takes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from opacus.validators import ModuleValidator
from torch import nn
from torch.func import functional_call, grad, vmap

from fl_common.errors import InvalidConfiguration
from fl_common.params import digest
from fl_common.vocabulary import NetSpec, Task
from models.fronts import Normalise
from models.kinds import kind_of
from models.nets import Net, build_net, load_parameters, parameters_of, trained_names
from models.parts import torchvision_import
from tests.unit.models.net_examples import (
    COLOUR,
    CONF,
    EXAMPLES,
    GREY,
    MOTION,
    NAMES,
    VECTOR,
    example,
    readings,
    spec_of,
)

WINDOWS = 3
every_net = pytest.mark.parametrize(("name", "task"), EXAMPLES, ids=NAMES)


def batch(net: Net, task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    targets_N = torch.from_numpy(kind_of(task).example_targets(WINDOWS))
    return net.front(torch.from_numpy(readings(task, WINDOWS))), targets_N


def gradients_one_by_one(
    net: Net, task: Task, inputs: torch.Tensor, targets_N: torch.Tensor
) -> list[list[torch.Tensor]]:
    """Of each window by itself, by plain autograd: the reference."""
    rows = []
    for row in range(len(targets_N)):
        outputs_1D = net.body(inputs[row : row + 1])
        loss = kind_of(task).losses(outputs_1D, targets_N[row : row + 1])
        rows.append(list(torch.autograd.grad(loss, trained_of(net))))
    return rows


def trained_of(net: Net) -> list[nn.Parameter]:
    return [parameter for parameter in net.body.parameters() if parameter.requires_grad]


def assert_same_gradients(found: list[torch.Tensor], rows: list[list[torch.Tensor]]) -> None:
    for index, found_N in enumerate(found):
        reference_N = torch.stack([row[index] for row in rows])
        size = float(reference_N.abs().max())
        torch.testing.assert_close(found_N, reference_N, rtol=1e-4, atol=1e-5 * max(size, 1e-3))


def test_every_configured_net_is_tested() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} - {"auto"} == {name for name, _ in EXAMPLES}


@every_net
def test_opacus_finds_nothing_to_object_to(name: str, task: Task) -> None:
    assert ModuleValidator.validate(example(name, task).body, strict=True) == []


@pytest.mark.filterwarnings("ignore:Full backward hook")  # the first layer's input needs none
@every_net
def test_a_dp_step_uses_the_gradient_of_each_window(name: str, task: Task) -> None:
    net = example(name, task)
    inputs, labels_N = batch(net, task)
    rows = gradients_one_by_one(net, task, inputs, labels_N)
    before = parameters_of(net)
    private = GradSampleModule(net.body, strict=True, loss_reduction="sum")
    optimizer = DPOptimizer(
        torch.optim.SGD(trained_of(net), lr=0.1),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        expected_batch_size=WINDOWS,
        loss_reduction="sum",
        generator=torch.Generator().manual_seed(0),
    )
    kind_of(task).losses(private(inputs), labels_N).sum().backward()
    assert_same_gradients([vars(p)["grad_sample"] for p in trained_of(net)], rows)
    optimizer.step()
    after = parameters_of(net)
    moved = {key for key in before if (before[key] != after[key]).any()}
    assert moved == trained_names(net)


@every_net
def test_gradients_by_vectorised_map(name: str, task: Task) -> None:
    net = example(name, task)
    inputs, labels_N = batch(net, task)
    rows = gradients_one_by_one(net, task, inputs, labels_N)
    named = net.body.named_parameters()
    parameters = {key: value.detach() for key, value in named if value.requires_grad}

    def loss(
        parameters: dict[str, torch.Tensor], one: torch.Tensor, label: torch.Tensor
    ) -> torch.Tensor:
        outputs_1D = functional_call(net.body, parameters, (one.unsqueeze(0),))
        return kind_of(task).losses(outputs_1D, label.unsqueeze(0))[0]

    found = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, inputs, labels_N)
    assert_same_gradients(list(found.values()), rows)


@every_net
def test_what_a_window_gives_never_depends_on_the_others(name: str, task: Task) -> None:
    net = example(name, task)
    values_N = torch.from_numpy(readings(task, 5))
    with torch.no_grad():
        together = net.front(values_N), net(values_N)
        alone = net.front(values_N[3:4]), net(values_N[3:4])
    for many, one in zip(together, alone, strict=True):
        torch.testing.assert_close(many[3:4], one, rtol=1e-4, atol=1e-4)


@every_net
def test_the_seed_alone_decides_the_parameters(name: str, task: Task) -> None:
    state = torch.get_rng_state()
    first, again, other = (digest(parameters_of(example(name, task, seed))) for seed in (7, 7, 8))
    assert first == again
    at_zero = ("logistic", "features", "scale_free", "scatter", "autoregressive", "labeller")
    assert (first == other) == (name in at_zero)
    assert torch.equal(torch.get_rng_state(), state)


@every_net
def test_parameters_carry_a_net_over(name: str, task: Task) -> None:
    source, target = example(name, task, seed=1), example(name, task, seed=2)
    with torch.no_grad():
        for parameter in source.body.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
        load_parameters(target, parameters_of(source))
        values_N = torch.from_numpy(readings(task, 2))
        torch.testing.assert_close(target(values_N), source(values_N))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", "neither a class under models.nets nor"),
        ("models.fronts.Normalise", "neither a class under models.nets nor"),
        ("models.nets.nothing.Net", "does not exist"),
        ("models.nets.mlp.Nothing", "does not exist"),
    ],
)
def test_a_plan_can_name_nothing_but_a_net(target: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        build_net(NetSpec(target), VECTOR)


@pytest.mark.parametrize(
    ("name", "task", "changes", "message"),
    [
        ("cnn1d", GREY, {}, r"\(1, 28, 28\).*series"),
        ("gru", VECTOR, {}, "series"),
        ("features", GREY, {}, "series"),
        ("features", replace(MOTION, window_shape=(4, 6)), {}, "4 readings.*at least 8"),
        ("cnn2d", MOTION, {}, r"\(32, 6\).*images"),
        ("mobilenet", VECTOR, {}, "images"),
        ("opacus_mnist", COLOUR, {}, r"\(3, 20, 24\).*grey images"),
        ("cnn1d", replace(MOTION, window_shape=(7, 6)), {}, r"widths=\[.*halvings.*of 7"),
        ("cnn2d", replace(GREY, window_shape=(1, 28, 3)), {}, "halvings.*of 28 x 3"),
        ("cnn1d", MOTION, {"kernel": 4}, "kernel=4.*odd"),
        ("cnn1d", MOTION, {"norm": "layer"}, "norm=layer.*group, batch, none"),
        ("cnn1d", MOTION, {"groups": 3}, "groups=3.*divide the 16"),
        ("cnn2d", GREY, {"widths": []}, r"widths=\[\].*whole numbers"),
        ("mlp", VECTOR, {"hidden": [8, 0]}, r"hidden=\[8, 0\].*above 0"),
        ("mlp", VECTOR, {"activation": "gelu"}, "activation=gelu.*relu"),
        ("mlp", VECTOR, {"depth": 3}, "depth"),
        ("gru", MOTION, {"readings": 33}, "readings=33.*1 to 32"),
        ("gru", MOTION, {"hidden": 0}, "hidden=0"),
        ("mobilenet", GREY, {"stem_stride": 3}, "stem_stride=3.*1 or 2"),
        ("efficientnet_lite", VECTOR, {}, "images"),
        ("efficientnet_lite", GREY, {"side": 48}, "side=48.*multiple of 32"),
        ("logistic", replace(VECTOR, scale=(8.0, 0.0)), {}, r"scale \[8.0, 0.0\].*above 0"),
        ("features", replace(MOTION, center=(0.0,)), {}, "1 centers and 6 scales"),
    ],
)
def test_what_a_net_cannot_take_is_named(
    name: str, task: Task, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        build_net(spec_of(name, **changes), task)


@pytest.mark.parametrize(("name", "task"), [("cnn1d", MOTION), ("cnn2d", COLOUR)])
def test_normalisation_is_a_choice_and_opacus_refuses_one(name: str, task: Task) -> None:
    layers = {"group": "GroupNorm", "batch": "BatchNorm", "none": "neither"}
    for norm, layer in layers.items():
        net = build_net(spec_of(name, norm=norm), task)
        found = [type(m).__name__ for m in net.body.modules() if "Norm" in type(m).__name__]
        assert len(found) == (0 if norm == "none" else 2 + (name == "cnn1d"))
        assert all(kind.startswith(layer) for kind in found)
        assert bool(ModuleValidator.validate(net.body, strict=False)) == (norm == "batch")


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([MOTION, GREY, COLOUR, VECTOR]),
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3),
    st.lists(st.floats(2**-7, 1e3, width=32), min_size=3, max_size=3),
    st.floats(-8, 8, width=32),
)
def test_normalise_takes_center_to_zero_and_scale_to_one(
    task: Task, center: list[float], scale: list[float], number: float
) -> None:
    channels = len(task.channels)
    declared = replace(
        task, center=tuple((center * 2)[:channels]), scale=tuple((scale * 2)[:channels])
    )
    along = [1] * len(task.window_shape)
    along[task.channel_axis] = channels
    values = np.reshape(declared.center, along) + np.reshape(declared.scale, along) * number
    values_N = np.broadcast_to(values, (2, *task.window_shape)).astype(np.float32)
    normal = Normalise(declared)(torch.from_numpy(values_N)).numpy()
    rounding = 1e-6 * np.abs(values_N) / np.reshape(declared.scale, along)
    assert normal.shape == values_N.shape
    assert bool((np.abs(normal - number) <= 1e-5 + rounding).all())


def test_torchvision_imports_and_its_python_parts_work() -> None:
    torchvision = torchvision_import.import_torchvision()
    assert torchvision_import.import_torchvision() is torchvision
    assert torchvision.datasets.MNIST
    assert torchvision.transforms.CenterCrop(2)(torch.zeros(1, 4, 4)).shape == (1, 2, 2)


def test_torchvision_is_helped_only_where_its_extension_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(path: str) -> None:
        raise OSError(f"{path}: libcudart.so: cannot open shared object file")

    monkeypatch.setattr(torch.ops, "load_library", fails)
    assert not torchvision_import._extension_loads()
    monkeypatch.setattr(torch.ops, "load_library", lambda path: None)
    assert torchvision_import._extension_loads()
