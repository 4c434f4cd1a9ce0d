"""The audit of each kind of task: its canaries, and what an evaluation of it releases."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fl_client.release import noised_counts
from models.kinds import kind_of
from simulate import configure
from simulate.__main__ import main
from simulate.audit.canaries import draw_canaries
from tests.support.kind_data import KINDS, kind_data
from tests.support.own_data import world_of

OTHERS = [kind for kind in KINDS if kind != "classification"]


def audited(
    data: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, dict[str, Any]]:
    """The exit status, and the direct tests by name."""
    quick = ("net=auto", "audit.canaries=30", "rounds=1", "evaluation=federated")
    given = ("audit", *data, *quick, f"hydra.run.dir={folder}")
    monkeypatch.setattr(sys, "argv", ["simulate", *given])
    status = 0
    try:
        main()
    except SystemExit as end:
        status = int(end.code or 0)
    found = json.loads((folder / "audit.json").read_text("utf-8"))
    return status, {check["name"]: check for check in found["checks"]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", OTHERS)
def test_a_sound_mechanism_is_not_refuted(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, checks = audited(kind_data(kind, tmp_path), tmp_path / "audit", monkeypatch)
    assert status == 0
    assert all(check["is_right"] is not False for check in checks.values())
    tested = [name for name, check in checks.items() if check["is_right"]]
    assert {"sensitivity: one window", "evaluation: noise", "evaluation: loss"} <= {*tested}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_half_the_noise_on_the_sums_of_a_kind_is_found(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = noised_counts._sums

    def halved(*given: Any) -> NDArray[Any]:
        exact_S, scale_S, steps_S = sums(*given)
        return np.array([exact_S, scale_S / 2, steps_S])

    monkeypatch.setattr(noised_counts, "_sums", halved)
    status, checks = audited(kind_data(kind, tmp_path), tmp_path / "audit", monkeypatch)
    assert status == 1
    assert checks["evaluation: noise"]["is_right"] is False


@pytest.mark.parametrize("made", ["dirac", "noise"])
@pytest.mark.parametrize("kind", OTHERS)
def test_canaries_are_labelled_as_their_kind_is(kind: str, made: str, tmp_path: Path) -> None:
    task = world_of(configure(*kind_data(kind, tmp_path))).task
    drawn = draw_canaries(made, task, 20, 5.0, np.random.default_rng(1)).windows
    assert kind_of(task).fits_N(drawn.labels).all()
    if kind != "anomaly":
        assert len(np.unique(kind_of(task).targets(drawn.labels), axis=0)) > 1
