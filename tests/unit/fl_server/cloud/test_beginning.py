"""What a run begins with, where that is a share of an earlier model's parameters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration
from fl_server.cloud.planning import keep_settings
from fl_server.repository.gates.provenance import PrivacyRule
from fl_server.repository.gates.provenance import privacy as privacy_gate
from fl_server.rounds.blend import Blend
from fl_server.rounds.warm_start import Earlier, started
from models.nets import build_net, parameters_of
from tests.support.warm_starts import wearables_run, weights


def test_a_stirred_beginning_is_some_of_the_old_and_some_of_new_ones_of_each_run(
    tmp_path: Path,
) -> None:
    file = weights(tmp_path / "one.safetensors", wearables_run(tmp_path)[0].plan, 0.25)
    stirred = (f"init={file}", "init_keep=0.4", "init_stir=0.4")
    found = {}
    for run in ("second", "third"):
        begun, config = wearables_run(tmp_path, *stirred, f"run={run}")
        assert begun.beginning is not None
        keep_settings(begun, config)
        found[run] = begun.beginning.parameters
        old = np.float32(0.4) * np.float32(0.25)
        assert max(float((array - old).std()) for array in found[run].values()) > 0.01
        assert begun.beginning.start.published()["stir"] == 0.4
        again, _ = wearables_run(tmp_path, *stirred, f"run={run}")
        assert again.plan == begun.plan
    assert any((found["second"][name] != found["third"][name]).any() for name in found["second"])
    changed = wearables_run(tmp_path, *stirred[:2], "init_stir=0.1", "run=third")
    with pytest.raises(InvalidConfiguration, match=r"init_stir=0\.1 \(it began with 0\.4\)"):
        keep_settings(*changed)


def test_a_fleet_that_keeps_learning_has_a_short_lineage_that_the_gate_takes(
    tmp_path: Path,
) -> None:
    plan = wearables_run(tmp_path)[0].plan
    net = build_net(plan.net, plan.task, 0)
    one = {
        "unit": "window", "epsilon": 4.0, "epsilon_limit": 8.0, "delta": 1e-5,
        "accountant": "rdp", "noise_generator": "operating system",
    }  # fmt: skip
    privacy: dict[str, Any] = {**one, "epsilon_limit": 9.0}
    for _ in range(150):
        earlier = Earlier(parameters_of(net), "run", 30, privacy)
        start = started("production", earlier, net, Blend(1.0, 0.0), ledgers=True)
        privacy = {**one, "init": start.published()}
    assert len(json.dumps(privacy)) < 1000
    assert privacy["init"]["privacy"]["runs"] == 150
    finding = privacy_gate(privacy, PrivacyRule(9.0, 1e-5, "window", 10.0))
    assert finding.passed, finding.detail
    assert not privacy_gate(privacy, PrivacyRule(8.9, 1e-5, "window", 10.0)).passed
    seeded = {**one, "noise_generator": "seeded", "init": start.published()}
    after = Earlier(
        earlier.parameters, "run", 30, {**one, "init": {"privacy": seeded, "ledgers": True}}
    )
    start = started("run", after, net, Blend(1.0, 0.0), ledgers=True)
    finding = privacy_gate({**one, "init": start.published()}, PrivacyRule(99, 0.5, "window", 9.0))
    assert "its noise was seeded" in finding.detail


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("init_stir=0.4",), "mix an earlier model's parameters with new ones, and init=null"),
        (("init=production", "init_keep=0"), r"init_keep=0: must lie in \(0, 1\]"),
        (("init=production", "init_stir=2"), r"init_stir=2: must lie in \[0, 1\]"),
        (("init=production", "init_keep=much"), r"init_keep=much"),
    ],
)
def test_a_mixture_that_is_none_is_refused(
    words: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidConfiguration, match=says):
        wearables_run(tmp_path, *words)
