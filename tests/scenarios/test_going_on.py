"""More rounds than a run began with: as if it had begun with them, or refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration
from simulate import Result, configure, resume, run

QUICK = ("net=logistic", "sites=3")
NOISE = ("privacy.noise_multiplier=4",)
PLANS = {"no DP": ("privacy=none",), "DP": (*NOISE, "training.learning_rate=0.6")}


def result_of(folder: Path, *overrides: str) -> Result:
    return run(configure(*QUICK, *overrides), folder=folder)


def stop(*_: Any, **__: Any) -> None:
    raise RuntimeError


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_longer_run_ends_as_one_that_began_so(plan: tuple[str, ...], tmp_path: Path) -> None:
    whole = result_of(tmp_path / "whole", *plan, "rounds=4")
    short = result_of(tmp_path / "run", *plan, "rounds=2")
    longer = run(configure(f"resume={short.folder}", "rounds=4"))
    for key in ("parameter_digest", "accuracy", "epsilon"):
        assert longer.summary[key] == whole.summary[key]
    assert [one.round for one in longer.history] == [1, 2, 3, 4]
    record = json.loads((short.folder / "run.json").read_text())
    assert record["legs"] == [{"run": short.summary["run"], "rounds": 2}]
    assert longer.summary["run"] == record["run"] != short.summary["run"]
    assert resume(short.folder).summary["rounds"] == 4


def test_one_that_was_killed_before_its_first_new_round_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = result_of(tmp_path / "run", *PLANS["DP"], "rounds=1").folder
    with monkeypatch.context() as patch:
        patch.setattr("simulate.job.job.open_ledger", stop)
        with pytest.raises(RuntimeError):
            run(configure(f"resume={folder}", "rounds=2"))
    assert resume(folder).summary["rounds"] == 2


@pytest.mark.parametrize(
    ("begun", "given", "says"),
    [
        ((), ("rounds=3",), "its noise was calibrated to spend the limit in 2 rounds"),
        (NOISE, ("rounds=99",), "its learning rate was the rule's for 2 rounds"),
        (PLANS["DP"], ("rounds=999",), r"would spend epsilon .* the limit is 8. Give rounds=\d+ "),
        (PLANS["DP"], ("rounds=1",), r"rounds=1 \(it began with 2\)"),
        (PLANS["no DP"], ("rounds=3", "seed=1"), r"seed=1"),
        (("privacy=none", "training.schedule=cosine"), ("rounds=3",), "its learning rates were"),
    ],
)
def test_what_would_not_be_the_same_is_refused(
    begun: tuple[str, ...], given: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    folder = result_of(tmp_path / "run", *begun, "rounds=2").folder
    before = (folder / "run.json").read_bytes()
    config = configure(f"resume={folder}", given[0])
    for override in given[1:]:
        name, _, value = override.partition("=")
        config[name] = int(value)
    with pytest.raises(InvalidConfiguration, match=says):
        run(config)
    assert (folder / "run.json").read_bytes() == before
