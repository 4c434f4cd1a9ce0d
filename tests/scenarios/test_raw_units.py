"""Own data as sensors send them, nothing declared: a good model in a few rounds."""

import json
from pathlib import Path

import numpy as np
import pytest

from simulate import configure, run


def counts_of_machines(path: Path) -> None:
    """Idle, worn or unbalanced, in counts of a converter that each machine has at its own zero."""
    generator = np.random.default_rng(0)
    label_N, site_N = generator.integers(0, 3, 400), np.repeat(np.arange(5), 80)
    time_T, zero_S = np.arange(64), generator.uniform(-3000, 3000, 5)
    pace_N = np.array([0.0, 0.35, 1.4])[label_N] * generator.uniform(0.9, 1.1, 400)
    phase_N = generator.uniform(0, 2 * np.pi, 400)
    swing_NT = np.sin(pace_N[:, None] * time_T + phase_N[:, None]) * 40
    noise_NT = 15 * generator.standard_normal((400, 64))
    x = np.round(zero_S[site_N][:, None] + swing_NT + noise_NT).astype(np.int16)
    np.savez(path, x=x[:, :, None], y=label_N, site=site_N)


@pytest.mark.slow
@pytest.mark.parametrize("privacy", ["none", "window"])
def test_the_default_learns_counts_that_an_mlp_does_not(tmp_path: Path, privacy: str) -> None:
    counts_of_machines(tmp_path / "machines.npz")
    given = ["task=arrays", f"data.path={tmp_path / 'machines.npz'}", "rounds=10"]
    given += [f"privacy={privacy}"]
    found = {}
    for net in ("auto", "mlp"):
        config = configure(*given, *([] if net == "auto" else [f"net={net}"]))
        found[net] = run(config, folder=tmp_path / net).summary
    assert found["auto"]["accuracy"] > 0.9
    assert found["mlp"]["accuracy"] < 0.7
    assert found["auto"]["net"] == "scale_free"
    assert "net=auto chose net=scale_free" in found["auto"]["net_choice"]
    assert found["mlp"]["net_choice"] is None
    report = (tmp_path / "auto" / "report.html").read_text("utf-8")
    assert "net=auto chose net=scale_free" in report
    kept = json.loads((tmp_path / "auto" / "run.json").read_text("utf-8"))["settings"]
    assert kept["net._target_"] == "models.nets.scale_free.ScaleFree"
