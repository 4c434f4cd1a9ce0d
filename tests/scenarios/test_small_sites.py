"""Sites of any size train: those that can't fill a batch on a short one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulate import configure, run

PRIVACIES = {
    "plain": ("privacy=none",),
    "window": ("privacy.epsilon=8",),
    "site": ("privacy=site", "privacy.epsilon=50"),
}


def data(folder: Path, *sizes: int) -> str:
    """A file whose sites a, b, ... have so many windows for training."""
    site = np.repeat(np.array([*"abcdefghijklmnopq"])[: len(sizes)], sizes)
    test = np.zeros(len(site), bool)
    x = np.random.default_rng(0).normal(size=(len(site) + 8, 3))
    split, sites = np.append(test, [True] * 8), np.append(site, ["tested"] * 8)
    np.savez(folder / "own.npz", x=x, y=np.arange(len(x)) % 2, site=sites, split=split)
    return str(folder / "own.npz")


def trained(folder: Path, path: str, *overrides: str) -> Any:
    own = ("task=arrays", f"data.path={path}", "net=logistic", "strategy=fedavg", "rounds=2")
    return run(configure(*own, *overrides), folder=folder / "outputs")


@pytest.mark.parametrize("sizes", [(40, 3, 35, 31, 64), (12, 9, 1)], ids=["some", "all"])
@pytest.mark.parametrize("privacy", PRIVACIES.values(), ids=PRIVACIES)
def test_none_is_left_out(tmp_path: Path, privacy: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    result = trained(tmp_path, data(tmp_path, *sizes), *privacy, "engine.workers=1")
    notes = [note for note in result.summary["notes"] if "no better than" not in note]
    assert (result.summary["sites"], notes) == (len(sizes), [])
    assert result.summary["refusals"] == {}


@pytest.mark.parametrize("workers", [1, 2])
def test_both_trainers_end_with_the_same_parameters(tmp_path: Path, workers: int) -> None:
    path = data(tmp_path, 40, 3, 35, 31, 64)
    results = [
        trained(
            tmp_path / name, path, "privacy=none", f"training={name}", f"engine.workers={workers}"
        )
        for name in ("cohort", "opacus")
    ]
    losses = [result.summary["loss"] for result in results]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
