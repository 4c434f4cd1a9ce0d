"""A run keeps its identity, whatever a power cut has left of its files."""

import json
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_server.cloud.build import read_config
from fl_server.cloud.planning import build_run, identity_of, keep_settings
from fl_server.rounds.checkpoint import Checkpoint, save


def test_a_run_keeps_its_identity(tmp_path: Path) -> None:
    first = identity_of(tmp_path, "first")
    assert first.startswith("first-")
    assert identity_of(tmp_path, "first") == first


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}"])
def test_a_damaged_record_is_made_anew_by_the_checkpoint(tmp_path: Path, content: bytes) -> None:
    first = identity_of(tmp_path, "first")
    save(tmp_path / "checkpoints", Checkpoint(first, "plan", 1, {}, {}, ()))
    (tmp_path / "run.json").write_bytes(content)
    assert identity_of(tmp_path, "first") == first
    assert json.loads((tmp_path / "run.json").read_text()) == {"run": first}


def test_before_the_first_checkpoint_it_is_another_run(tmp_path: Path) -> None:
    first = identity_of(tmp_path, "first")
    (tmp_path / "run.json").write_bytes(b"")
    assert identity_of(tmp_path, "first") not in (first, "")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ("strategy=fedadam", r"fl_server.optimisers.adaptive.FedAdam \(it began with"),
        ("strategy.optimiser.learning_rate=0.5", r"learning_rate=0.5 \(it began with 1.0\)"),
        ("clients_per_round=2", r"clients_per_round=2 \(it began with null\)"),
        ("task._target_=models.tasks.activity", "plan="),
    ],
)
def test_a_run_goes_on_with_the_settings_that_it_began_with(
    changed: str, says: str, tmp_path: Path
) -> None:
    def keep(*overrides: str) -> None:
        config = read_config(None, [f"home={tmp_path}", "privacy.site_windows=50", *overrides])
        keep_settings(build_run(config), config)

    keep()
    keep("strategy.minimum_sites=2", "strategy.quorum=0.8", "hosts=[other]")
    with pytest.raises(InvalidConfiguration, match=says) as caught:
        keep(changed)
    assert str(caught.value).startswith("run=first with ")
