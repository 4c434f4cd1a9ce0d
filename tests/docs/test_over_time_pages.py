"""The pages of kinds of tasks over time, typed."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.privacy import forecasts
from models.metadata import read_metadata
from tests.support.shell import blocks, desk, replaced, typed

pytestmark = pytest.mark.long


def test_the_page_of_forecasts(tmp_path: Path) -> None:
    """From windows, and from recordings."""
    (declared,) = blocks("docs/how-to/forecast.md#from-recordings", "yaml")
    (by_file,) = blocks("docs/how-to/forecast.md#from-windows")
    (recorded,) = blocks("docs/how-to/forecast.md#from-recordings")
    reader, generator = desk(tmp_path / "reader"), np.random.default_rng(0)
    walk = generator.normal(size=(60, 48, 2)).cumsum(1).astype(np.float32)
    np.savez(reader / "walks.npz", x=walk, site=np.arange(60) % 3)
    (reader / "oven.yaml").write_text(declared)
    (reader / "recordings").mkdir()
    for oven in ("east", "west"):
        rows = [f"{second},{200 + x},{y}" for second, (x, y) in enumerate(walk.reshape(-1, 2))]
        (reader / "recordings" / f"{oven}.csv").write_text("\n".join(["time,heat,load", *rows]))
    check, train = replaced(by_file.strip(), ("FILE", "walks.npz")).splitlines()
    quick = "rounds=2 hydra.run.dir="
    typed(f"{check}\n{train} {quick}file\n{recorded.strip()} {quick}oven\n", reader)
    for name, seen in (("file", (32, 2)), ("oven", (64, 2))):
        metadata = read_metadata((reader / name / "model.onnx").read_bytes())
        assert metadata.kind.to_fields() == {"name": "forecast", "options": {"horizon": 16}}
        assert metadata.window_shape == seen


def test_the_page_of_labels_of_readings(tmp_path: Path) -> None:
    """From windows, and from recordings."""
    (declared,) = blocks("docs/how-to/label-readings.md#from-recordings", "yaml")
    (by_file,) = blocks("docs/how-to/label-readings.md#from-windows")
    (recorded,) = blocks("docs/how-to/label-readings.md#from-recordings")
    reader, generator = desk(tmp_path / "reader"), np.random.default_rng(0)
    y = np.repeat(generator.integers(0, 2, (60, 8)), 16, axis=1)
    x = (generator.normal(size=(60, 128, 3)) * (0.1 + y)[:, :, None]).astype(np.float32)
    np.savez(reader / "walks.npz", x=x, y=y, site=np.arange(60) % 3)
    (reader / "gait.yaml").write_text(declared)
    (reader / "recordings").mkdir()
    for person, place in (("ann", slice(0, 30)), ("bob", slice(30, 60))):
        told = zip(x[place].reshape(-1, 3).tolist(), y[place].ravel().tolist(), strict=True)
        rows = [
            f"{row / 50:.2f},{','.join(map(str, values))},{('still', 'walk')[label]}"
            for row, (values, label) in enumerate(told)
        ]
        path = reader / "recordings" / f"{person}.csv"
        path.write_text("\n".join(["time,ax,ay,az,label", *rows]))
    check, train = replaced(by_file.strip(), ("FILE", "walks.npz")).splitlines()
    quick = "rounds=2 hydra.run.dir="
    checked = f"{check} || test $? = 1"
    typed(f"{checked}\n{train} {quick}file\n{recorded.strip()} {quick}gait\n", reader)
    for name in ("file", "gait"):
        summary = json.loads((reader / name / "summary.json").read_text())
        assert summary["kind"] == "sequence"
        assert summary["accuracy"] > 0.7


def test_the_table_of_forecasts(tmp_path: Path, shared_data: Path) -> None:
    """With the files that the table was measured with; a round of each."""
    reader = desk(tmp_path / "reader")
    for name in forecasts.SETS:
        forecasts.write_set(name, shared_data, reader / f"{name}.npz")
    (block,) = blocks("docs/forecast-table.md")
    commands = block.strip().splitlines()
    typed("".join(f"{c} rounds=1 hydra.run.dir=o/{n}\n" for n, c in enumerate(commands)), reader)
    assert len(list(reader.glob("o/*/summary.json"))) == len(commands) >= 3
