"""A site with too few windows for a batch does not stop the others, and is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration
from simulate import configure, run


def data(folder: Path, *sizes: int) -> str:
    """A file whose sites a, b, ... have so many windows for training."""
    site = np.repeat(np.array([*"abcdefghijklmnopq"])[: len(sizes)], sizes)
    test = np.zeros(len(site), bool)
    x = np.random.default_rng(0).normal(size=(len(site) + 8, 3))
    split, sites = np.append(test, [True] * 8), np.append(site, ["tested"] * 8)
    np.savez(folder / "own.npz", x=x, y=np.arange(len(x)) % 2, site=sites, split=split)
    return str(folder / "own.npz")


def trained(folder: Path, path: str, *overrides: str) -> Any:
    own = ("task=arrays", f"data.path={path}", "net=logistic", "rounds=2")
    return run(configure(*own, *overrides), folder=folder / "outputs")


@pytest.mark.parametrize("workers", [1, 2])
def test_small_sites_are_left_out_and_named(tmp_path: Path, workers: int) -> None:
    path = data(tmp_path, 40, 3, 35, 31, 64)
    result = trained(tmp_path, path, "privacy=none", f"engine.workers={workers}")
    assert result.summary["sites"] == 3
    assert result.summary["refusals"] == {}
    assert [row.updates for row in result.history] == [3, 3]
    (note,) = result.summary["notes"]
    assert note == (
        "2 of 5 sites are left out, whose windows are fewer than training.batch_size=32: b (3),"
        " d (31)"
    )


def test_the_run_without_them_is_the_run_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    digests = []
    for folder, sizes in ((tmp_path, (40, 35)), (tmp_path / "more", (40, 35, 2))):
        result = trained(folder, data(folder, *sizes), "privacy=none")
        digests.append(result.summary["parameter_digest"])
    assert digests[0] == digests[1]


def test_many_are_counted(tmp_path: Path) -> None:
    result = trained(tmp_path, data(tmp_path, 40, *[2] * 12), "privacy=none")
    (note,) = result.summary["notes"]
    assert note.startswith("12 of 13 sites are left out")
    assert note.endswith("k (2) and 2 more")


def test_where_no_site_fills_a_batch_the_size_that_works_is_named(tmp_path: Path) -> None:
    path = data(tmp_path, 12, 9)
    with pytest.raises(InvalidConfiguration) as refused:
        trained(tmp_path, path, "privacy=none")
    remedy = refused.value.remedy.partition(",")[0].removeprefix("Set ")
    assert remedy == "training.batch_size=9"
    assert trained(tmp_path, path, "privacy=none", remedy).summary["sites"] == 2


def test_under_dp_none_is_left_out(tmp_path: Path) -> None:
    result = trained(tmp_path, data(tmp_path, 400, 3, 350), "privacy.epsilon=8")
    assert (result.summary["sites"], result.summary["notes"]) == (3, [])
