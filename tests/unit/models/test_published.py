"""Networks that begin with a published one's parameters compute what that one computes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Parameters, Task
from models.nets import Net, build_net, load_parameters, parameters_of
from models.parts.efficientnet import convolution, published
from models.parts.torchvision_import import import_torchvision
from tests.support.published import State, efficientnet_state
from tests.unit.models.net_examples import COLOUR, GREY, spec_of


def arrays(state: State) -> Parameters:
    return {name: tensor.numpy() for name, tensor in state.items() if tensor.is_floating_point()}


def mobilenet_published() -> nn.Module:
    """torchvision's own, its normalisation with numbers as if it had been trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net: nn.Module = import_torchvision().models.mobilenet_v3_small().eval()
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                    assert tensor is not None
                    nn.init.uniform_(tensor, 0.5, 1.5)
    return net


def begun(name: str, task: Task, state: State, **changes: object) -> Net:
    net = build_net(spec_of(name, **changes), task)
    load_parameters(net, net.adopted(arrays(state)))
    return net.eval()


@pytest.mark.parametrize("task", [COLOUR, GREY], ids=["colour", "grey"])
def test_a_mobilenet_computes_as_torchvisions_does(task: Task) -> None:
    theirs = mobilenet_published()
    ours = begun("mobilenet_head", task, theirs.state_dict(), groups=None, stem_stride=2).body
    channels = task.window_shape[0]
    values_NCHW = torch.randn(2, channels, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = ours.get_submodule("features").forward(values_NCHW)
        right = theirs.get_submodule("features").forward(values_NCHW.expand(-1, 3, -1, -1))
    assert torch.allclose(seen, right, rtol=1e-3, atol=1e-4 * float(right.abs().max()))
    last = ours.get_submodule("classifier.3")
    assert not any(parameter.any() for parameter in last.parameters())


def test_batch_normalisation_goes_into_the_convolution_before_it() -> None:
    state = efficientnet_state()
    at = "_blocks.3."
    weight, bias = list(published(arrays(state)))[9]
    values = torch.randn(2, weight.shape[1], 5, 5, generator=torch.Generator().manual_seed(1))
    folded = conv2d(values, torch.from_numpy(weight), torch.from_numpy(bias))
    normalised = nn.BatchNorm2d(len(weight), eps=1e-3).eval()
    normalised.load_state_dict(
        {name: state[f"{at}_bn0.{name}"] for name in normalised.state_dict()}
    )
    right = normalised.forward(conv2d(values, state[f"{at}_expand_conv.weight"]))
    assert torch.allclose(folded, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kernel", "first"), [(3, 0), (5, -1)])
def test_convolutions_pad_as_tensorflow_does(kernel: int, first: int) -> None:
    """Of an even side and a stride of 2 the odd pixel of padding is at the end."""
    layer = convolution(1, 1, kernel, 2)
    weight = torch.zeros(1, 1, kernel, kernel)
    weight[..., -first, -first] = 1  # sees the pixel at the origin
    layer[1].load_state_dict({"weight": weight, "bias": torch.zeros(1)})
    values = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(layer(values), values[:, :, ::2, ::2])


@pytest.mark.parametrize("task", [COLOUR, GREY], ids=["colour", "grey"])
def test_an_efficientnet_takes_all_but_the_last_layer(task: Task) -> None:
    state = efficientnet_state()
    fresh = parameters_of(build_net(spec_of("efficientnet_lite"), task))
    found = parameters_of(begun("efficientnet_lite", task, state))
    changed = {name for name, array in found.items() if not np.array_equal(array, fresh[name])}
    assert set(found) - changed == {"2.weight", "2.bias"}
    first = next(iter(found.values()))
    assert first.shape[1] == task.window_shape[0]


def test_what_does_not_fit_is_named() -> None:
    state = arrays(mobilenet_published().state_dict())
    with pytest.raises(InvalidConfiguration, match=r"groups.*Set net.groups=null"):
        build_net(spec_of("mobilenet_head"), COLOUR).adopted(state)
    five = replace(COLOUR, channels=tuple("abcde"), units=("1",) * 5, window_shape=(5, 20, 24))
    five = replace(five, center=(0.0,) * 5, scale=(1.0,) * 5)
    for name, found in (
        ("mobilenet_head", state),
        ("efficientnet_lite", arrays(efficientnet_state())),
    ):
        changes = {"groups": None} if name == "mobilenet_head" else {}
        with pytest.raises(InvalidConfiguration, match="images of 5 channels"):
            build_net(spec_of(name, **changes), five).adopted(found)


@pytest.mark.parametrize("name", ["mobilenet_head", "efficientnet_lite"])
def test_own_parameters_stay_as_they_are(name: str) -> None:
    net = build_net(spec_of(name), COLOUR)
    own = parameters_of(net)
    assert net.adopted(own) is own
