"""Runs of a server as they are configured, and files of parameters that they begin with."""

from pathlib import Path

import numpy as np

from fl_common.configuration.rules import Config
from fl_common.files.safetensors import write_safetensors
from fl_common.plan import RunPlan
from fl_server.cloud.build import read_config
from fl_server.cloud.planning import ConfiguredRun, build_run
from models.nets import build_net, parameters_of


def wearables_run(folder: Path, *words: str) -> tuple[ConfiguredRun, Config]:
    config = read_config(None, [f"home={folder}", "privacy.site_windows=50", *words])
    return build_run(config), config


def weights(path: Path, plan: RunPlan, value: float) -> Path:
    own = parameters_of(build_net(plan.net, plan.task, 0))
    write_safetensors(path, {name: np.full_like(a, value) for name, a in own.items()}, {})
    return path
