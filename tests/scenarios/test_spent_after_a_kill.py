"""What is said was spent is what was spent: after kill -9 and resume, and in a second run."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fl_client.ledger.ledger import Ledger
from fl_common.privacy.evaluation import is_held_out
from models.metadata import read_metadata
from simulate import Result, configure, resume, run
from tests.support.sources import ROOT

ROUNDS = 3
OVERRIDES = ("net=logistic", f"rounds={ROUNDS}", "sites=3", "engine.workers=1", "seed=null",
             "evaluation=federated", "evaluation.every=1")  # fmt: skip
KILLED = """
import os, signal, sys
from pathlib import Path
from simulate import configure, resume, run
from fl_client.training.cohort import CohortTrainer
from fl_server.rounds import app

def killed_at(owner, name, is_it):
    call = getattr(owner, name)
    def called(*given, **named):
        if is_it(*given):
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*given, **named)
    setattr(owner, name, called)

where, folder, overrides = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
if where == "training":
    killed_at(CohortTrainer, "train", lambda self, tasks: tasks and tasks[0].round == 2)
else:
    killed_at(app, "save", lambda folder, checkpoint: checkpoint.round == 2)
if (folder / "run.json").exists():
    resume(folder)
else:
    run(configure(*overrides), folder=folder)
"""


def kill(where: str, folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, where, str(folder), *OVERRIDES], cwd=ROOT, check=False
    )
    assert ended.returncode == -signal.SIGKILL


def charged(folder: Path) -> dict[str, float]:
    """The highest epsilon in the ledger: for blocks that were trained on, and for held-out ones."""
    ledger = Result(folder, (), {}).ledger
    assert ledger.epsilon is not None
    assert ledger.epsilon_held_out is not None
    assert ledger.epsilon == max(ledger.by_site.values())
    assert ledger.epsilon_held_out == max(b.spent for b in ledger.blocks if is_held_out(b.block))
    return {"trained": ledger.epsilon, "held out": ledger.epsilon_held_out}


def told(result: Result) -> Iterator[tuple[Any, Any]]:
    """Epsilon for training and for evaluation, wherever a run says them."""
    last = json.loads((result.folder / "rounds.jsonl").read_text().splitlines()[-1])
    yield last["epsilon"], last["on_sites"]["epsilon"]
    yield result.history[-1].epsilon, (result.history[-1].on_sites or {})["epsilon"]
    yield result.summary["epsilon"], result.summary["epsilon_held_out"]
    assert result.summary["on_sites"]["epsilon"] == result.summary["epsilon_held_out"]
    privacy = read_metadata(result.model.read_bytes()).privacy
    yield privacy["epsilon"], privacy["epsilon_held_out"]


@pytest.mark.long
@pytest.mark.parametrize("kills", [["training"], ["saving"], ["training", "saving", "training"]])
def test_a_killed_run_has_room_for_its_last_round_and_tells_its_ledgers_figures(
    tmp_path: Path, kills: list[str]
) -> None:
    folder = tmp_path / "outputs"
    for where in kills:
        kill(where, folder)
    result = resume(folder)
    assert [row.updates for row in result.history] == [3] * ROUNDS
    spent = charged(folder)
    assert 7.9 < spent["trained"] <= 8.0
    assert list(told(result)) == [pytest.approx((spent["trained"], spent["held out"]))] * 4
    report = result.report.read_text()
    assert f"{spent['trained']:.3g}" in report
    assert f"ε = {spent['held out']:.3g}" in report
    with closing(Ledger(folder / "ledger.sqlite", lambda: 0.0, None)) as ledger:
        assert len(ledger.notes()) == len(kills)
        assert all("was interrupted; charges from round 2 on" in note for _, note in ledger.notes())


@pytest.mark.slow
def test_a_second_run_on_a_ledger_tells_of_both(tmp_path: Path) -> None:
    noise = ("privacy.noise_multiplier=4.0", "privacy.epsilon=50", "evaluation=central")
    first = run(configure(*OVERRIDES[:-2], *noise), folder=tmp_path / "first")
    second = tmp_path / "second"
    second.mkdir()
    for name in ("ledger.sqlite", "ledger.sqlite.counter"):
        (second / name).write_bytes((first.folder / name).read_bytes())
    result = run(configure(*OVERRIDES[:-2], *noise), folder=second)
    assert result.summary["epsilon"] == result.ledger.epsilon
    assert result.summary["epsilon"] > 1.2 * first.summary["epsilon"]
