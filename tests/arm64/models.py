"""Model files of the networks in ``conf/net`` for task wearables, with parameters by chance."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from fl_client.home import MODEL, SLOTS
from fl_common.vocabulary import NetSpec
from models import tasks
from models.export import export_onnx
from models.lineage import Lineage
from models.nets import build_net
from models.onnx.golden import golden_windows
from tests.support.model_files import slot_with
from tests.support.sources import ROOT

SEED = 7


def published(name: str, path: Path) -> None:
    """Write the network of ``conf/net/NAME.yaml`` to ``path``."""
    task = tasks.wearables()
    config = OmegaConf.load(ROOT / "conf" / "net" / f"{name}.yaml")
    settings: dict[str, Any] = OmegaConf.to_container(config)  # type: ignore[assignment]
    spec = NetSpec(settings.pop("_target_"), settings)
    net, generator = build_net(spec, task, SEED), torch.Generator().manual_seed(SEED)
    with torch.no_grad():  # a new network of zeros says the same of every window
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    lineage = Lineage("test", "run", 1, spec, {"unit": "none"})
    export_onnx(net, task, path, lineage, golden_windows(task, 8, SEED))


def place_network(home: Path, name: str) -> None:
    """Make it the model of the box whose folder is ``home``."""
    home.mkdir()
    path = home.parent / f"{name}.onnx"
    published(name, path)
    slot_with(home / SLOTS / MODEL, path)
