"""Rows without a column of sites: a rule divides them, and the refusal shows how."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_common.errors import BadInput, InvalidConfiguration
from simulate import configure
from simulate.world import World
from simulate.world.partition import Dirichlet, Iid, Rule, Shards
from simulate.world.tables.division import divide
from simulate.world.tables.rows import Rows
from tests.support.own_data import world, world_of

N = 60
LABELS = np.repeat([0, 1, 2], 20)
X = np.arange(N, dtype=np.float64)[:, None]


def saved(folder: Path, name: str = "own", **more: object) -> Path:
    path = folder / f"{name}.npz"
    np.savez(path, x=X, y=LABELS, **more)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("rule", [Iid(0, None), Dirichlet(0, None, 1.0), Shards(0, None, 2)])
def test_a_rule_gives_every_training_row_to_one_site(tmp_path: Path, rule: Rule) -> None:
    own = world(saved(tmp_path), sites=4, partition=rule)
    rows = np.concatenate([own.windows(site).values[:, 0] for site in range(4)])
    held_out = own.test().windows.values[:, 0]
    assert sorted([*rows, *held_out]) == list(range(N))
    assert held_out.tolist() == [*range(16, 20), *range(36, 40), *range(56, 60)]
    assert own.test().groups == ("all",)
    assert own.notes[-1].startswith("48 rows are divided by ")


def test_the_refusal_has_a_command_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, "my own, data")
    path = Path("my own, data.npz")
    with pytest.raises(InvalidConfiguration) as refused:
        world(path)
    assert "data.site=COLUMN" in refused.value.remedy
    command = refused.value.remedy.partition("): ")[2]
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "simulate"]
    assert len(world_of(configure(*words[3:])).sites) == 10


def test_a_column_of_sites_wins_unless_it_is_declared_away(tmp_path: Path) -> None:
    path = saved(tmp_path, site=np.repeat(["a", "b", "c"], 20))
    assert world(path, sites=2).sites == ("a", "b")
    assert tuple(world(path, sites=2, site="none").sites) == ("site-0", "site-1")


@pytest.mark.parametrize("rule", ["iid", "dirichlet", "shards"])
def test_a_rule_beside_a_column_of_sites_is_refused(tmp_path: Path, rule: str) -> None:
    path = saved(tmp_path, site=np.repeat(["a", "b", "c"], 20))

    def of(*words: str) -> World:
        return world_of(configure("task=arrays", f"data.path={path}", "sites=2", *words))

    assert tuple(of().sites) == ("a", "b")
    with pytest.raises(InvalidConfiguration, match=rf"partition={rule} for .*data\.site=none"):
        of(f"partition={rule}")
    with pytest.raises(InvalidConfiguration, match="one does"):
        of("partition.samples_per_site=5")
    assert tuple(of(f"partition={rule}", "data.site=none").sites) == ("site-0", "site-1")


@given(
    st.lists(st.integers(0, 3), min_size=12, max_size=60),
    st.integers(0, 4),
    st.integers(1, 3),
)
def test_no_training_row_shares_readings_with_a_test_row(
    labels: list[int], shared: int, sites: int
) -> None:
    labels_N = np.array(labels)
    x = np.zeros((len(labels), 1), np.float32)
    rows = Rows("own", x, labels_N, None, None, None, None, ())
    try:
        found = divide(rows, labels_N, sites, Iid(0, None), shared)
    except BadInput:  # too few rows for so many sites, or for a test set
        return
    train, test = found.train_rows, found.test_rows
    assert np.abs(train[:, None] - test[None, :]).min() > shared
    places = np.concatenate([np.arange(len(train))[found.places_of(site)] for site in range(sites)])
    assert sorted(places.tolist()) == list(range(len(train)))
