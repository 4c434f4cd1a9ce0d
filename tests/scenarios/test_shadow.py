"""A candidate in the shadow of production: seen, counted, and without any effect."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fl_client.components.counts import read_counts
from tests.support.engines import windows
from tests.support.model_files import LIMIT
from tests.support.repositories import World
from tests.support.sites import SiteBox, added, promote, released, site


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.created()
    released(world, answer=1)
    return world


@pytest.fixture
def box(world: World) -> Iterator[SiteBox]:
    box = site(world, is_testing=True)
    box.settle()
    yield box
    assert box.shadow is not None
    box.shadow.close()


def counted(box: SiteBox) -> dict[str, object]:
    """The shadow's counts, when all that was begun is done."""
    assert box.shadow is not None
    box.shadow.wait()
    return box.follower.status()["shadow"]  # type: ignore[no-any-return]


def test_without_a_candidate_nothing_is_counted(box: SiteBox) -> None:
    box.live()
    assert counted(box)["windows"] == 0


def test_a_candidate_is_counted_and_production_acts(world: World, box: SiteBox) -> None:
    candidate = added(world, answer=2)
    box.follower.poll()
    assert [box.live() for _ in range(3)] == [1] * 3
    shown = counted(box)
    assert shown["candidate"] == candidate.digest[:16]
    assert (shown["windows"], shown["agreement"], shown["failed"]) == (12, 0.0, 0)


def test_a_candidate_that_agrees(world: World, box: SiteBox) -> None:
    added(world, answer=1, not_finite="above the limit")
    box.follower.poll()
    box.live()
    assert counted(box)["agreement"] == 1.0


def test_failures_of_the_candidate_are_its_own(world: World, box: SiteBox) -> None:
    added(world, answer=1, not_finite="above the limit")
    box.follower.poll()
    values_N = windows(4)
    values_N[0] = 2 * LIMIT
    values_N[1] = np.nan  # nobody can answer this one
    assert box.live(values_N) == 1
    shown = counted(box)
    assert (shown["windows"], shown["failed"], shown["agreement"]) == (4, 1, 0.75)
    assert box.follower.status()["failed"] == []


def test_what_is_counted_of_a_window_depends_on_no_other(world: World, box: SiteBox) -> None:
    """One window that a candidate can't answer leaves the counts of all others as they are."""
    added(world, answer=1)
    box.follower.poll()
    box.live()
    added(world, answer=2, not_finite="above the limit")
    box.follower.poll()
    values_N = windows(4)
    values_N[0] = 2 * LIMIT
    box.live(values_N)
    box.live()
    shown = counted(box)
    assert (shown["windows"], shown["failed"], shown["agreement"]) == (8, 1, 0.0)


def test_another_production_begins_the_counts_anew(world: World, box: SiteBox) -> None:
    other = added(world, answer=0)
    added(world, answer=2)
    box.follower.poll()
    box.live()
    assert counted(box)["windows"] == 4
    promote(world, other)
    assert box.settle(batches=1) == 0
    assert counted(box)["windows"] == 4
    box.live()
    assert counted(box)["windows"] == 8


def test_a_late_call_counts_once(world: World) -> None:
    box = site(world, "slow", is_testing=True)
    assert box.shadow is not None
    box.shadow._times_slower = 0.0
    box.settle()
    added(world, answer=2)
    box.follower.poll()
    box.live()
    box.live()
    assert (counted(box)["windows"], counted(box)["late"]) == (8, 2)
    box.shadow.close()


def test_a_candidate_that_does_not_load_stops_nothing(world: World, box: SiteBox) -> None:
    added(world, answer=2, not_finite="always")
    box.follower.poll()
    assert box.live() == 1
    shown = counted(box)
    assert shown["failed"] == shown["windows"] == 4
    assert "not finite" in str(shown["trouble"])


def test_counts_survive_a_restart(world: World, box: SiteBox) -> None:
    added(world, answer=2)
    box.follower.poll()
    box.live()
    counted(box)
    box.follower.poll()
    assert read_counts(world.folder / "site/components/shadow.json").windows == 4
    again = site(world, is_testing=True)
    again.follower.poll()
    assert counted(again)["windows"] == 4


def test_another_candidate_is_counted_anew_and_one_that_is_promoted_no_more(
    world: World, box: SiteBox
) -> None:
    added(world, answer=2)
    box.follower.poll()
    box.live()
    counted(box)
    second = added(world, answer=0)
    box.follower.poll()
    assert counted(box)["windows"] == 0
    promote(world, second)
    assert box.settle() == 0
    assert box.shadow is not None
    assert box.shadow.candidate is None
