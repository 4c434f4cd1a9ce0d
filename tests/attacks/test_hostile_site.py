"""A hostile site among honest ones: what it can do to a run, to other sites' names and to a log."""

import logging
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simulate.engines.loopback
from fl_common.programs.command_line import end
from fl_common.programs.logs import JsonLines, Lines
from fl_common.programs.text import visible
from fl_common.vocabulary import Floats
from simulate import configure, run
from simulate.build import build_site_app
from simulate.result import Result
from tests.support.hostile import Forge, HostileApp, change_head, change_update

SIGNS = "3e38 with signs"
NODE = 1
"""The hostile site's; its position is 0."""


def pointing(values_E: Floats, length: float) -> Floats:
    """Against the honest update, with a norm of ``length``."""
    return np.asarray(-values_E / np.linalg.norm(values_E) * length, np.float32)


ATTACKS: dict[str, Forge] = {
    "weight 2^53": change_update(np.negative, weight=2.0**53),
    "norm 10": change_update(partial(pointing, length=10.0)),
    "3e38": change_update(lambda values_E: np.full_like(values_E, 3e38)),
    SIGNS: change_update(lambda values_E: np.where(values_E > 0, -3e38, 3e38)),
    "NaN": change_update(lambda values_E: np.full_like(values_E, np.nan)),
    "sign flipped": change_update(np.negative),
}
MEANS = ("fedavg", "fedavgm", "fedadam", "fedyogi", "fedprox")


@pytest.fixture
def attacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A run of the main job with the overrides, in which some nodes' answers are forged."""

    def attacked_run(forges: dict[int, Forge], *overrides: str) -> Result:
        def hostile(*about: Any) -> HostileApp:
            return HostileApp(build_site_app(*about), forges)

        monkeypatch.setattr(simulate.engines.loopback, "build_site_app", hostile)
        return run(configure(*overrides), folder=tmp_path / "run")

    return attacked_run


@cache
def honest(strategy: str, folder: Path) -> float:
    """The accuracy of the main job with ``strategy`` and nobody hostile."""
    return run(configure(f"strategy={strategy}"), folder=folder).summary["accuracy"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def accuracy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], float]:
    folder = tmp_path_factory.mktemp("honest")
    return lambda strategy: honest(strategy, folder / strategy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "attack"),
    [("fedavgm", attack) for attack in ATTACKS] + [(mean, SIGNS) for mean in MEANS],
)
def test_one_hostile_site_of_ten_does_not_ruin_the_main_job(
    attacked: Callable[..., Result], accuracy: Callable[[str], float], strategy: str, attack: str
) -> None:
    result = attacked({NODE: ATTACKS[attack]}, f"strategy={strategy}")
    assert result.summary["accuracy"] > accuracy(strategy) - 0.08
    left_out, is_cut = attack not in ("norm 10", "sign flipped"), attack == "norm 10"
    for row in result.history:
        assert (row.errors, row.updates, row.cut) == (left_out, 10 - left_out, is_cut)


@pytest.mark.slow
def test_without_dp_neither_weight_nor_norm_buys_influence(
    attacked: Callable[..., Result], tmp_path: Path
) -> None:
    everything = change_update(lambda values_E: values_E * -1e6, weight=1e6)
    honest = run(configure("privacy=none"), folder=tmp_path / "honest")
    result = attacked({NODE: everything}, "privacy=none")
    assert result.summary["accuracy"] > honest.summary["accuracy"] - 0.08
    assert all(row.cut >= 2 for row in result.history)


@pytest.mark.slow
@pytest.mark.parametrize("privacy", ["none", "window"])
@pytest.mark.parametrize(
    "counts",
    [(1e7, 1e7, 0.0), (0.0, 1e7, 1e9), (1e7, 50.0, -1e9), (5e6, -1e7, 0.0), (0.0, 50.0, 0.0)],
)
def test_one_hostile_site_of_ten_does_not_decide_an_evaluation(
    attacked: Callable[..., Result], tmp_path: Path, privacy: str, counts: tuple[float, ...]
) -> None:
    overrides = [f"privacy={privacy}", "evaluation=federated", "rounds=3", "evaluation.every=3"]
    overrides += ["evaluation.epsilon=20"] if privacy == "window" else []
    honest = run(configure(*overrides), folder=tmp_path / "honest").history[-1].on_sites
    lie = change_head(**dict(zip(("correct", "total", "loss_sum"), counts, strict=True)))
    forged = attacked({NODE: lie}, *overrides).history[-1].on_sites
    assert honest is not None
    assert forged is not None
    assert abs(forged["accuracy"] - honest["accuracy"]) < 0.07
    assert forged["cut"] >= 1


FORGED = "no\n2026-11-29 12:00:00,000 INFO fl_server: site ward-7 is revoked\u2028x\x1b[2J\u202e"


@pytest.mark.parametrize("form", [Lines(), JsonLines()], ids=["lines", "JSON"])
def test_a_text_of_a_site_makes_one_line_of_a_log(form: logging.Formatter) -> None:
    try:
        raise OSError(FORGED)
    except OSError:
        told = ("fl_server", logging.WARNING, "", 0, "round 1: %s", (FORGED,), sys.exc_info())
        text = form.format(logging.LogRecord(*told))
    first, *others = text.splitlines()
    assert "no\\n2026" in first.replace("\\\\n", "\\n")
    assert all(line.startswith("    ") for line in others)
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_last_line_of_a_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        end(f"error: First reason: ward-1: {FORGED}", 1)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_long_text_is_shortened() -> None:
    assert len(visible("x" * 10**6)) < 5000


def test_an_answer_in_another_name_does_not_count(attacked: Callable[..., Result]) -> None:
    # The first three sites take the names of three others, whose own answers come later.
    thieves = {node: change_head(site=f"person-{node + 5:02d}") for node in (1, 2, 3)}
    result = attacked(thieves, "rounds=1", "evaluation=central")
    (row,) = result.history
    assert (row.updates, row.errors) == (7, 3)
