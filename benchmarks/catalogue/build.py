"""Build the catalogue's own networks from public data, the same bytes each time.

``make catalogue``. Each is a run of ``python -m simulate`` without privacy, for the data are
public: recordings of a smartwatch in the package seglearn (BSD-3-Clause). Only the run's random
name is taken out of the model's metadata. ``--pin`` writes files, digests and worked examples anew;
without it digests are compared.
"""

import argparse
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.measuring.environments import ROOT
from fl_common.programs.own import own_program
from models.onnx.example import by_runtime
from simulate.world.wearables import Wearables

FOLDER = ROOT / "catalogue"
_COMMON = ("privacy=none", "seed=0", "engine.workers=1")
_PENDULUM, _ROWING = 0, 6
BUILT: dict[str, tuple[str, ...]] = {
    "shoulder-exercises": ("task=wearables", "rounds=12"),
    "shoulder-exercises-cnn1d": ("task=wearables", "net=cnn1d", "rounds=30"),
    "unusual-motion": (
        *("task=arrays", "name=unusual-motion", "task.kind=anomaly", "data.path=pendulum.npz"),
        *("world.rate_hz=50", "net=autoencoder", "rounds=20"),
    ),
}
"""The overrides of each network's run."""


def build(name: str, workplace: Path) -> bytes:
    """The network ``name`` as the bytes of its file."""
    _pendulum(workplace / "pendulum.npz")
    command = own_program("simulate", *BUILT[name], *_COMMON, f"hydra.run.dir={name}")
    subprocess.run(
        command, cwd=workplace, check=True, stdout=subprocess.DEVNULL, env=_environment()
    )
    model = onnx.load(workplace / name / "model.onnx")
    properties = {pair.key: pair.value for pair in model.metadata_props}
    run = properties["run"]
    unnamed = {key: value.replace(run, "catalogue") for key, value in properties.items()}
    onnx.helper.set_model_props(model, unnamed)
    return bytes(model.SerializeToString(deterministic=True))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def _pendulum(to: Path) -> None:
    """The recordings' windows: the pendulum exercise is normal, and the others are not."""
    world = Wearables(None, None)
    sites = [world.windows(index) for index in range(len(world.sites))]
    values = np.concatenate([site.values for site in sites])
    labels = np.concatenate([site.labels for site in sites])
    persons = np.repeat(np.arange(len(sites)), [len(site) for site in sites])
    np.savez(to, x=values, y=labels != _PENDULUM, site=persons)


def _example(name: str, content: bytes) -> None:
    """A window of rowing, and what the network finds in it, beside the recipe."""
    site = Wearables(None, None).windows(0)
    window_1 = site.values[site.labels == _ROWING][:1]
    arrays: dict[str, Any] = {"values": window_1, **by_runtime(content, {"values": window_1})}
    np.savez_compressed(FOLDER / f"{name}.npz", **arrays)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build every network, and compare it with its recipe, or pin it there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pin", action="store_true", help="write files and digests anew")
    options = parser.parse_args(arguments)
    different = []
    with tempfile.TemporaryDirectory() as place:
        for name in BUILT:
            content = build(name, Path(place))
            digest, recipe = hashlib.sha256(content).hexdigest(), FOLDER / f"{name}.yaml"
            text = recipe.read_text("utf-8")
            if options.pin:
                text = re.sub(r"sha256: [0-9a-f]{64}", f"sha256: {digest}", text, count=1)
                text = re.sub(r"bytes: \d+", f"bytes: {len(content)}", text, count=1)
                recipe.write_text(text, "utf-8")
                (FOLDER / f"{name}.onnx").write_bytes(content)
                _example(name, content)
            elif digest not in text:
                different.append(name)
    if different:
        raise SystemExit(
            f"{', '.join(different)}: other bytes than the recipe's. Numbers may round otherwise on"
            " another processor or with another torch; to take them: python -m"
            " benchmarks.catalogue.build --pin"
        )


if __name__ == "__main__":
    main()
