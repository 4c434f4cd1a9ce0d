"""A run keeps its identity, whatever a power cut has left of its files."""

import json
from pathlib import Path

import pytest

from fl_server.cloud.planning import identity_of
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
