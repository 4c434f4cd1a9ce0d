"""The scattering transform: finite and the same in any unit, for edges of any direction."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Task
from models.export import TOLERANCE, export_onnx
from models.lineage import Lineage
from models.nets import build_net
from models.parts.scattering import Scattering
from tests.unit.models.net_examples import COLOUR, GREY, VECTOR, spec_of

RAW = replace(GREY, center=(0.0,), scale=(1.0,))
SQUARE = replace(
    RAW,
    window_shape=(28, 28),
    channels=tuple(f"c{index}" for index in range(28)),
    units=("1",) * 28,
    center=(0.0,) * 28,
    scale=(1.0,) * 28,
)


def stripes(across: bool) -> torch.Tensor:
    line = torch.sin(torch.arange(28) * 2.3)
    return (line[:, None] if across else line[None, :]).expand(1, 1, 28, 28)


@pytest.mark.parametrize("task", [RAW, SQUARE], ids=["channel", "square"])
def test_extremes_are_finite_and_exported(task: Task, tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((7, *task.window_shape))
    values[0] = 0
    values[1] = 255
    values[2] = 3e38 * np.sign(values[2])
    values[3] *= 1e-30
    values[4] = 1e8 + values[4]
    net = build_net(spec_of("scatter"), task)
    with torch.no_grad():
        for weights in net.body.parameters():
            weights.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    windows = values.astype(np.float32)
    assert torch.isfinite(net.front(torch.from_numpy(windows))).all()
    lineage = Lineage("0.1.0", "run-1", 1, spec_of("scatter"), {"unit": "none"})
    assert export_onnx(net, task, tmp_path / "m.onnx", lineage, windows).parity < TOLERANCE


def test_grey_levels_of_another_range_give_the_same() -> None:
    front, images = Scattering(RAW, 4), torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(front(images), front(255 * images + 10), rtol=1e-3, atol=1e-3)


def test_directions_are_told_apart() -> None:
    front = Scattering(RAW, 4)
    first = front.sizes[0]
    moduli = [front(stripes(across))[0, first:] for across in (True, False)]
    orders = [part[: front.sizes[1]].reshape(4, 2, -1).mean((1, 2)) for part in moduli]
    assert int(orders[0].argmax()) == 2
    assert int(orders[1].argmax()) == 0


def test_sizes_are_those_of_paths_and_cells() -> None:
    assert Scattering(RAW, 4).size == (1 + 8 + 16) * 7 * 7
    assert Scattering(COLOUR, 2).size == 3 * (1 + 4 + 4) * 5 * 6


@pytest.mark.parametrize("shape", [(1, 7, 20), (1, 20, 65)])
def test_images_out_of_range_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidConfiguration, match="8 to 64 on a side"):
        build_net(spec_of("scatter"), replace(RAW, window_shape=shape))


def test_vectors_are_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="images"):
        build_net(spec_of("scatter"), VECTOR)
