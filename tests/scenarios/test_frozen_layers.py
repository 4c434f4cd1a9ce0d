"""A run whose net is frozen in part: what is sent, counted, noised, kept and resumed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common import params
from fl_common.compression.quantisation import Compression
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import NetSpec
from fl_server.rounds.checkpoint import load_latest
from models.nets import build_net, parameters_of, trained_names
from tests.scenarios import test_federation, test_site_level
from tests.support.samples import PUBLIC, WINDOW_PRIVACY, plan
from tests.unit.models.net_examples import spec_of

LORA = spec_of("transformer_lora", readings=4, width=8, heads=2, blocks=1, rank=2)
WHOLE = spec_of("transformer", readings=4, width=8, heads=2, blocks=1)
UNITS: dict[str, tuple[Any, PrivacyPlan]] = {
    "plain": (test_federation.Fleet, PUBLIC),
    "window": (test_federation.Fleet, WINDOW_PRIVACY),
    "server's noise": (test_site_level.Fleet, test_site_level.CENTRAL),
    "sites' noise": (test_site_level.Fleet, test_site_level.LOCAL),
}


@pytest.mark.parametrize(("fleet", "privacy"), UNITS.values(), ids=UNITS)
def test_what_is_frozen_keeps_its_first_values(
    tmp_path: Path, fleet: Any, privacy: PrivacyPlan
) -> None:
    run_plan = plan(privacy, net=LORA, rounds=4)
    run, reports = fleet(tmp_path).run(run_plan)
    net = build_net(
        LORA, run_plan.task, run_plan.seed or 0 if fleet is test_federation.Fleet else 0
    )
    first = parameters_of(net)
    moved = {name for name in first if (run.parameters[name] != first[name]).any()}
    assert list(run.parameters) == list(first)
    assert moved == trained_names(net)
    assert sum(report.updates for report in reports) > 0
    assert not any(report.errors for report in reports)
    kept = load_latest(tmp_path / "checkpoints")
    assert kept is not None
    assert set(kept.optimiser_state["velocity"]) == trained_names(net)


def test_an_adapter_sends_what_it_trains(tmp_path: Path) -> None:
    """The bytes of the updates, beside those of the same net with nothing frozen."""
    sizes = {}
    for spec in (LORA, WHOLE):
        _, reports = test_federation.Fleet(tmp_path / str(spec.options["rank"])).run(
            plan(net=spec, rounds=1)
        )
        sizes[spec.options["rank"]] = reports[0].bytes_up / reports[0].updates
    difference = sizes[None] - sizes[2]
    entries = _entries(WHOLE) - _entries(LORA)
    assert difference == pytest.approx(4 * entries, rel=0.05)


@pytest.mark.parametrize("share", [1.0, 0.1], ids=["int8", "top-k"])
def test_a_compressed_run_of_an_adapter_ends_the_same_after_a_kill(
    tmp_path: Path, share: float
) -> None:
    packed = replace(
        plan(WINDOW_PRIVACY, net=LORA, rounds=4, seed=3), compression=Compression(share)
    )
    whole, reports = test_federation.Fleet(tmp_path / "whole").run(packed)
    assert [report.updates for report in reports] == [3] * 4
    fleet = test_federation.Fleet(tmp_path / "killed")
    fleet.run(packed, rounds=2)
    resumed, _ = fleet.run(packed)
    assert params.digest(resumed.parameters) == params.digest(whole.parameters)


def _entries(spec: NetSpec) -> int:
    net = build_net(spec, plan().task)
    sizes = {name: array.size for name, array in parameters_of(net).items()}
    return int(np.sum([sizes[name] for name in trained_names(net)]))
