"""The peers' input: this project's own data, partition, plan and normalisation, as plain arrays."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from benchmarks.measuring.environments import ROOT
from benchmarks.systems import Place
from benchmarks.workloads import Workload
from fl_common.vocabulary import Windows
from fl_server.build import build_plan
from models.nets import Net, build_net
from simulate.build import fleet_facts
from simulate.world.build import open_world

SITES_OF_STATISTICS = 100
_CHUNK = 4096


def prepare(workload: Workload, place: Place) -> None:
    """Write the workload for the peers; anew each time, as the code that makes it may change."""
    folder = place.prepared(workload)
    folder.mkdir(parents=True, exist_ok=True)
    if workload.name == "B3":
        make_statistics(place.data / "ucihar.npz", place.made / "statistics.npz")
    config = compose(place.overrides(workload))
    world = open_world(OmegaConf.to_yaml(OmegaConf.create(config["world"])))
    plan = build_plan(config, "bench", world.task, fleet_facts(world))
    net = build_net(plan.net, plan.task).eval()
    sites = [world.windows(position) for position in range(len(world.sites))]
    _write(folder, "", net, sites)
    _write(folder, "test_", net, [world.test().windows])
    offsets = np.cumsum([0, *map(len, sites)]).tolist()
    content = {
        "plan": json.loads(plan.to_json()),
        "clients_per_round": workload.clients_per_round,
        "offsets": offsets,
    }
    (folder / "workload.json").write_text(json.dumps(content))


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The values that ``python -m simulate`` has with these overrides."""
    OmegaConf.register_new_resolver("first", lambda *values: None, replace=True)  # folders only
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = hydra.compose("config", [*overrides, "seed=0"])
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _write(folder: Path, prefix: str, net: Net, parts: Sequence[Windows]) -> None:
    """Values after the net's front end, and labels, of all parts in a row."""
    with torch.no_grad():
        chunks = [
            net.front(torch.from_numpy(np.array(part.values[start : start + _CHUNK])))
            for part in parts
            for start in range(0, len(part), _CHUNK)
        ]
    np.save(folder / f"{prefix}inputs.npy", torch.cat(chunks).contiguous().numpy())
    labels = np.concatenate([part.labels for part in parts])
    np.save(folder / f"{prefix}labels.npy", labels.astype(np.int64))


def make_statistics(source: Path, target: Path) -> None:
    """The file of B3: 54 statistics of each UCI HAR window, cut into 100 sites.

    For each of the nine channels: mean, deviation, smallest, largest, mean size of a step, and mean
    size; each scaled to mean 0 and deviation 1 over the training windows. The training windows are
    shuffled and cut in a row: with alike sites the final accuracy hardly depends on chance, which
    the rule of equal accuracy needs.
    """
    archive = np.load(source)
    test = archive["split"] == 1
    statistics_NF = _statistics(archive["x"])
    center_F, scale_F = statistics_NF[~test].mean(0), statistics_NF[~test].std(0)
    values_NF = ((statistics_NF - center_F) / scale_F).astype(np.float32)
    order = np.random.default_rng(0).permutation(int((~test).sum()))
    site_N = np.arange(len(order)) * SITES_OF_STATISTICS // len(order)
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        target,
        x=np.concatenate([values_NF[~test][order], values_NF[test]]),
        y=np.concatenate([archive["y"][~test][order], archive["y"][test]]).astype(np.int64),
        site=np.concatenate([site_N, np.zeros(test.sum(), dtype=np.int64)]),
        split=np.repeat([0, 1], [len(order), test.sum()]),
    )


def _statistics(values_NTC: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, 6 C) from (N, T, C)."""
    values = values_NTC.astype(np.float64)
    step = np.abs(np.diff(values, axis=1))
    parts = [values.mean(1), values.std(1), values.min(1), values.max(1), step.mean(1)]
    return np.concatenate([*parts, np.abs(values).mean(1)], axis=1)
