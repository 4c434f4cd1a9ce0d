"""A promotion to a part of the sites, and then to all of them, by the cloud's own functions."""

import pytest

from fl_client.components.canary import is_canary
from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import InvalidConfiguration
from fl_server.repository.commands.history import life
from fl_server.repository.promotion import promote, rollback
from fl_server.repository.store.statements import Verdict
from tests.support.repositories import World
from tests.support.sites import NAME, added, site

GATE = "interface"


def checked(world: World, answer: int, against: str | None) -> Component:
    """A component in testing that was judged against what production had."""
    component, repository = added(world, answer), world.repository()
    values = {"against": against}
    repository.judge(Verdict(GATE, component.digest, True, "same", values, repository.now()), NAME)
    return component


def promoted(world: World, canary_percent: int | None = None) -> Component:
    repository = world.repository()
    return promote(repository, Kind.MODEL, NAME, None, [GATE], None, canary_percent)


def test_a_canary_is_widened_to_all_without_a_new_check_and_then_rolled_back(world: World) -> None:
    first = checked(world, 1, None)
    promoted(world)
    boxes = {name: site(world, name) for name in ("a", "b", "c")}
    assert [box.settle() for box in boxes.values()] == [1] * 3
    second = checked(world, 2, first.digest)
    promoted(world, 30)
    few = {name for name in boxes if is_canary(name, second.digest, 30)}
    assert {name for name, box in boxes.items() if box.settle() == 2} == few
    promoted(world, 60)
    promoted(world)
    assert [box.settle() for box in boxes.values()] == [2] * 3
    with pytest.raises(InvalidConfiguration, match="in production already"):
        promoted(world)
    told = "\n".join(life(world.repository(), Kind.MODEL, NAME))
    assert "for 30 % of the sites" in told
    repository = world.repository()
    back = rollback(repository, Kind.MODEL, NAME, Stage.PRODUCTION, None, "false alarms")
    assert back == first
    assert [box.settle() for box in boxes.values()] == [1] * 3


def test_a_canary_without_its_gates_is_refused(world: World) -> None:
    added(world, 1)
    with pytest.raises(InvalidConfiguration, match=GATE):
        promoted(world, 10)
