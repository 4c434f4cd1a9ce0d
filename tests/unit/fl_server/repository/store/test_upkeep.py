"""Signatures that run out are renewed, old content goes, the way back stays open."""

from datetime import timedelta

import pytest

from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import InvalidConfiguration, UpdateRefused
from fl_server.repository.commands.history import life
from fl_server.repository.promotion import promote, retire, rollback
from fl_server.repository.store.keys import KeyRing
from fl_server.repository.store.repository import ComponentRepository, RepositorySettings
from fl_server.repository.store.statements import Event, Verdict
from fl_server.repository.store.upkeep import collect_garbage, refresh, standing, states
from tests.support.repositories import EXPIRY_DAYS, World, take

MODEL, PRODUCTION = Kind.MODEL, Stage.PRODUCTION


def released(world: World) -> Component:
    world.add()
    return promote(world.repository(), MODEL, "activity", None, (), "test")


def test_refresh_lets_sites_read_again(world: World) -> None:
    world.late = -timedelta(days=2)
    added = released(world)
    with pytest.raises(UpdateRefused):
        take(world.reader())
    world.late = timedelta()
    renewed, left = refresh(world.repository(), world.now())
    assert (renewed, left) == (["snapshot", "timestamp"], [])
    assert take(world.reader(), PRODUCTION) == added


def test_refresh_renews_each_role_in_the_second_half_of_its_time(world: World) -> None:
    world.late = -timedelta(days=60)  # of 90 for the stages, of 365 for root and targets
    added = released(world)
    world.late = timedelta()
    for key in world.keys.glob("production-*"):
        key.rename(key.with_suffix(".away"))
    renewed, left = refresh(world.repository(), world.now())
    assert {name.partition("-")[0] for name in renewed} == {"snapshot", "timestamp", "testing"}
    assert {name.partition("-")[0] for name in left} == {"production"}
    assert take(world.reader(), PRODUCTION) == added
    (testing,) = (one for one in states(world.repository()) if one.role == "testing")
    assert testing.expires is not None
    assert testing.expires > world.now() + timedelta(days=89)


def test_garbage_goes_and_the_way_back_stays(world: World) -> None:
    components = [released(world) for _ in range(5)]
    count, size = collect_garbage(world.repository(), 2, world.now() + timedelta(days=2))
    content = world.place / "targets" / "content"
    kept = {path.name.removesuffix(".data") for path in content.iterdir()}
    assert kept == {one.files[0].sha256 for one in components[3:]}
    assert size > 3 * 5000
    assert count > 3
    back = rollback(world.repository(), MODEL, "activity", PRODUCTION, None, "")
    assert back == components[3]
    assert take(world.reader(), PRODUCTION) == back
    with pytest.raises(InvalidConfiguration, match="lacks its content"):
        rollback(world.repository(), MODEL, "activity", PRODUCTION, "1", "")


def test_sites_follow_a_rollback_at_their_next_poll(world: World) -> None:
    first, second = released(world), released(world)
    reader = world.reader()
    assert take(reader, PRODUCTION) == second
    rollback(world.repository(), MODEL, "activity", PRODUCTION, None, "worse")
    assert take(reader, PRODUCTION) == first


def test_what_is_retired_is_offered_no_more_and_its_life_goes_on(world: World) -> None:
    released(world)
    reader = world.reader()
    retire(world.repository(), MODEL, "activity", PRODUCTION, "wrong")
    assert take(reader, PRODUCTION) is None
    with pytest.raises(InvalidConfiguration, match="is not in production"):
        retire(world.repository(), MODEL, "activity", PRODUCTION, "again")
    released(world)
    events = world.repository().history(MODEL, "activity", PRODUCTION)
    assert [event.what for event in events] == ["forced", "retired", "forced"]


def test_a_verdict_against_another_production_counts_no_more(world: World) -> None:
    first = released(world)
    candidate = world.add()
    repository = world.repository()
    verdict = Verdict(
        "accuracy", candidate.digest, True, "good", {"against": first.digest}, repository.now()
    )
    repository.judge(verdict, candidate.name)
    hotfix = world.add()
    promote(repository, MODEL, "activity", None, (), "hotfix")
    with pytest.raises(InvalidConfiguration, match="no verdict of accuracy"):
        promote(repository, MODEL, "activity", candidate.version, ("accuracy",))
    rollback(repository, MODEL, "activity", PRODUCTION, None, "")
    assert promote(repository, MODEL, "activity", candidate.version, ("accuracy",)) == candidate
    assert hotfix != candidate


def test_a_changed_history_is_refused(world: World) -> None:
    released(world)
    released(world)
    repository = world.repository()
    (first, *_) = sorted((world.place / "history").iterdir(), key=lambda path: path.stat().st_mtime)
    first.write_bytes(first.read_bytes().replace(b"testing", b"tasting"))
    first.write_bytes(first.read_bytes() + b" ")
    with pytest.raises(UpdateRefused, match="altered"):
        [repository.history(MODEL, "activity", stage) for stage in Stage]


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ("+a +b", "ab"),
        ("+a +b -a", "a"),
        ("+a +b +c -b -a", "a"),
        ("+a +b -a +c", "ac"),
        ("+a +a +b", "ab"),
        ("+a +b +a", "aba"),
    ],
)
def test_what_stands_is_what_was_not_rolled_back(told: str, line: str) -> None:
    what = {"+": "promoted", "-": "rolled back"}
    events = [
        Event(what[step[0]], "production", "model", "m", "1", step[1:], "now", None)
        for step in told.split()
    ]
    assert "".join(standing(events)) == line


def test_a_second_writer_that_waited_long_enough_is_refused_and_nothing_is_lost(
    world: World,
) -> None:
    first = world.add()
    impatient = ComponentRepository(
        world.place,
        KeyRing(world.keys, {}),
        RepositorySettings(EXPIRY_DAYS, lock_seconds=0.0),
        world.now,
    )
    with (
        world.repository().change(),
        pytest.raises(InvalidConfiguration, match="held by another writer"),
        impatient.change(),
    ):
        pass
    assert world.add().version == "2"
    events = world.repository().history(MODEL, "activity", Stage.TESTING)
    assert [event.version for event in events] == ["1", "2"]
    assert events[0].digest == first.digest


def test_history_says_which_keys_have_signed_a_promotion(world: World) -> None:
    released(world)
    (event,) = world.repository().history(MODEL, "activity", PRODUCTION)
    (state,) = (one for one in states(world.repository()) if one.role == PRODUCTION)
    assert set(event.signed_by) == set(state.keyids)  # both of them must sign here
    told = "\n".join(life(world.repository(), MODEL, "activity"))
    assert f"Signed with the production keys {event.signed_by[0][:12]}, " in told
