"""Windows of recordings, through a shape: a run trains on the bytes that a box makes of them."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from fl_client.components.sandbox import Grant, Sandboxes
from fl_client.functions.host import HostLimits
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.functions.host.process import HostProcess
from fl_client.shapes.calling import Caller
from fl_client.shapes.held import HeldShape, ShapeRecord
from fl_client.windows import Window
from fl_common.programs.troubles import Troubles
from simulate.configuration.composition import configure
from simulate.data.windows.command import windows
from simulate.world.build import open_world
from simulate.world.shaped import Shaped
from tests.support.sandboxes import compile_runner
from tests.support.sources import ROOT

TASK = """
task:
  _target_: models.tasks.declared
  name: gait
  channels: [ax, ay]
  units: [g, g]
  rate_hz: 50
  window_shape: [32, 2]
  labels: [still, walk]
  center: [0, 1]
  scale: [1, 2]
  windows_per_reading: 1
"""
S = 10**9
GRANT = Grant(("python",), (), 50_000_000, 64, 1)


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The world of windows that ``fl-simulate windows`` has cut, as YAML."""
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache" / "join-the-dots"
    cache.mkdir(parents=True)
    (cache / "machine-code").symlink_to(compile_runner())
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    (tmp_path / "gait.yaml").write_text(TASK)
    (tmp_path / "recordings").mkdir()
    values_NC = np.random.default_rng(3).normal(size=(800, 2)).astype(np.float32)
    rows = [
        f"{1_700_000_000 * S + n * S // 50},{x},{y},{('still', 'walk')[n // 200 % 2]}"
        for n, (x, y) in enumerate(values_NC.tolist())
    ]
    (tmp_path / "recordings/ann.csv").write_text("\n".join(["time,ax,ay,label", *rows]))
    assert windows(["recordings", "--task", "gait.yaml", "windows.step=32"]) == 0
    config = configure("task=arrays", "data.path=windows.npz", "data.task=gait.yaml")
    return OmegaConf.to_yaml(config["world"], resolve=True)


@pytest.mark.parametrize("name", ["downsampling", "moving-average"])
def test_a_run_trains_on_the_bytes_that_a_box_makes(cut: str, name: str, tmp_path: Path) -> None:
    raw, folder = open_world(cut), ROOT / "functions" / name
    world = Shaped(cut, str(folder))
    home = tmp_path / "box"
    home.mkdir()
    (home / MACHINE_CODE).symlink_to(compile_runner())
    assert world.task.shape is not None
    source = Sandboxes(GRANT, raw.task, 60.0, lambda without: 0, "shape").source(name, folder)
    record = ShapeRecord("component", world.task.shape.digest, world.task.window_shape[0])
    held, seen = HeldShape(record, world.task, source), 0
    with closing(HostProcess(home, HostLimits(60.0, 256, GRANT.megabytes), Troubles())) as host:
        box = Caller(host, 32 * S // 50)
        for site in range(len(world.sites)):
            given, trained_on = raw.windows(site).values, world.windows(site).values
            assert given.shape[1:] == (32, 2)
            for values_TC, expected_TC in zip(given, trained_on, strict=True):
                made = box(held, Window("wrist", 1_700_000_000 * S + seen * S, values_TC))
                assert isinstance(made, Window), made
                assert made.values_TC.tobytes() == expected_TC.tobytes()
                assert made.values_TC.tobytes() != values_TC.tobytes()
                seen += 1
    assert seen > 5
