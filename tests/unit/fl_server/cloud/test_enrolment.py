"""Whatever fails on the way in or out, the SuperLink lets in what the registry has, and no more."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration, RunFailed
from fl_server.cloud.enrolment import Enrolment, Revocation
from fl_server.cloud.sites import EnrolledSite, Sites
from fl_server.cloud.superlink import SuperNode

KITCHEN = EnrolledSite("kitchen's key", "home")
Step = Callable[[], None]


class Killed(BaseException):
    """The process ends here."""


class Keys:
    """Keys that are let in; ``before`` and ``after`` a change something may fail."""

    def __init__(self) -> None:
        self.let_in: list[bytes] = []
        self.before: Step = lambda: None
        self.after: Step = lambda: None

    def enroll(self, public_key: bytes) -> int:
        self.before()
        self.let_in.append(public_key)
        self.after()
        return len(self.let_in)

    def revoke(self, public_key: bytes) -> bool:
        known = public_key in self.let_in
        self.let_in = [key for key in self.let_in if key != public_key]
        return known

    def nodes(self) -> list[SuperNode]:
        return [SuperNode(1 + place, key, "online") for place, key in enumerate(self.let_in)]


class FailingSites(Sites):
    """A registry whose writes fail, or end the process, from the given one on."""

    fails_at, error, writes = 0, OSError(28, "No space left on device"), 0

    def add(self, name: str, site: EnrolledSite) -> None:
        self.writes += 1
        if self.fails_at and self.writes >= self.fails_at:
            raise self.error
        super().add(name, site)


def agree(sites: Sites, keys: Keys) -> bool:
    return sorted(keys.let_in) == sorted(s.public_key.encode() for s in sites.enrolled().values())


@pytest.mark.parametrize("write", [1, 2])
def test_a_write_that_fails_lets_nobody_in(tmp_path: Path, write: int) -> None:
    sites, keys = FailingSites(tmp_path), Keys()
    sites.fails_at = write
    with pytest.raises(InvalidConfiguration, match="No space left on device"):
        Enrolment(sites, keys, tmp_path).admit("kitchen", KITCHEN)
    assert (keys.let_in, sites.all()) == ([], {})
    sites.fails_at = 0
    Enrolment(sites, keys, tmp_path).admit("kitchen", KITCHEN)
    assert agree(sites, keys)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_superlink_that_fails_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    sites, keys = Sites(tmp_path), Keys()

    def fail() -> None:
        raise RunFailed("the SuperLink does not answer")

    setattr(keys, moment, fail)
    with pytest.raises(RunFailed, match="does not answer"):
        Enrolment(sites, keys, tmp_path).admit("kitchen", KITCHEN)
    assert (keys.let_in, sites.all()) == ([], {})


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_enrolment_that_was_cut_off_is_undone_at_the_next_start(
    tmp_path: Path, moment: str
) -> None:
    sites, keys = Sites(tmp_path), Keys()
    begun = Enrolment(sites, keys, tmp_path)

    def die() -> None:
        raise Killed

    setattr(keys, moment, die)
    object.__setattr__(begun, "_undo", lambda name, site: None)  # a killed process undoes nothing
    with pytest.raises(Killed):
        begun.admit("kitchen", KITCHEN)
    assert sites.all()["kitchen"].pending
    assert sites.enrolled() == {}, "its answers do not count"
    Enrolment(sites, keys, tmp_path).reconcile()
    assert (keys.let_in, sites.all()) == ([], {})


def test_a_site_is_shut_out_even_if_nothing_can_be_written(tmp_path: Path) -> None:
    sites, keys = FailingSites(tmp_path), Keys()
    enrolment = Enrolment(sites, keys, tmp_path)
    enrolment.admit("kitchen", KITCHEN)
    sites.fails_at = 1
    assert enrolment.shut_out("kitchen")
    assert (keys.let_in, sites.all()) == ([], {})


def test_a_revocation_that_was_cut_off_is_finished_at_the_next_start(tmp_path: Path) -> None:
    sites, keys = Sites(tmp_path), Keys()
    enrolment = Enrolment(sites, keys, tmp_path)
    enrolment.admit("kitchen", KITCHEN)

    def die(public_key: bytes) -> bool:
        raise Killed

    keys.revoke = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        enrolment.shut_out("kitchen")
    assert sites.enrolled() == {}
    del keys.revoke
    enrolment.reconcile()
    assert (keys.let_in, sites.all()) == ([], {})


def test_a_key_that_the_registry_does_not_have_is_shut_out_at_the_start(tmp_path: Path) -> None:
    sites, keys = Sites(tmp_path), Keys()
    enrolment = Enrolment(sites, keys, tmp_path)
    enrolment.admit("kitchen", KITCHEN)
    keys.enroll(b"a stranger's")
    enrolment.reconcile()
    assert agree(sites, keys)
    assert len(keys.let_in) == 1


def test_neither_a_name_nor_a_key_is_enrolled_twice(tmp_path: Path) -> None:
    enrolment = Enrolment(Sites(tmp_path), Keys(), tmp_path)
    enrolment.admit("kitchen", KITCHEN)
    with pytest.raises(InvalidConfiguration, match="site kitchen: is already enrolled"):
        enrolment.admit("kitchen", EnrolledSite("another key", "home"))
    with pytest.raises(InvalidConfiguration, match="the key of site hall: is that of site kitchen"):
        enrolment.admit("hall", KITCHEN)


def test_only_nodes_with_an_enrolled_key_are_members_by_the_enrolled_name(tmp_path: Path) -> None:
    sites, keys = Sites(tmp_path), Keys()
    Enrolment(sites, keys, tmp_path).admit("kitchen", KITCHEN)
    keys.enroll(b"a stranger's")
    assert [(one.node, one.site) for one in sites.members(keys.nodes())] == [(1, "kitchen")]


class Down(Keys):
    """A SuperLink that can be stopped."""

    is_down = False

    def revoke(self, public_key: bytes) -> bool:
        self._answer()
        return super().revoke(public_key)

    def nodes(self) -> list[SuperNode]:
        self._answer()
        return super().nodes()

    def _answer(self) -> None:
        if self.is_down:
            raise RunFailed("the SuperLink does not answer")


def test_a_revocation_without_the_superlink_is_noted_and_carried_out_later(tmp_path: Path) -> None:
    sites, keys = Sites(tmp_path), Down()
    enrolment = Enrolment(sites, keys, tmp_path)
    enrolment.admit("kitchen", KITCHEN)
    assert enrolment.strange() == []
    keys.is_down = True
    assert enrolment.shut_out("kitchen") is Revocation.NOTED
    assert sites.enrolled() == {}
    keys.is_down = False
    enrolment.reconcile()
    assert (keys.let_in, sites.all()) == ([], {})


def test_a_revocation_that_can_be_neither_noted_nor_carried_out_fails(tmp_path: Path) -> None:
    sites, keys = FailingSites(tmp_path), Down()
    enrolment = Enrolment(sites, keys, tmp_path)
    enrolment.admit("kitchen", KITCHEN)
    sites.fails_at, keys.is_down = 1, True
    with pytest.raises(RunFailed):
        enrolment.shut_out("kitchen")
    assert set(sites.enrolled()) == {"kitchen"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"public_key": "a"}', b"\xff\xfe"])
@pytest.mark.parametrize("is_down", [True, False])
def test_a_record_that_can_t_be_read_stops_nobody_else(
    tmp_path: Path, content: bytes, is_down: bool
) -> None:
    sites, keys = Sites(tmp_path), Down()
    enrolment = Enrolment(sites, keys, tmp_path)
    enrolment.admit("kitchen", KITCHEN)
    enrolment.admit("hall", EnrolledSite("hall's key", "home"))
    (tmp_path / "kitchen.json").write_bytes(content)
    assert sites.unreadable() == ["kitchen"]
    assert set(sites.enrolled()) == {"hall"}
    with pytest.raises(InvalidConfiguration, match="record that can't be read"):
        enrolment.admit("kitchen", KITCHEN)
    keys.is_down = is_down
    assert enrolment.shut_out("kitchen") is (Revocation.NOTED if is_down else Revocation.DONE)
    keys.is_down = False
    enrolment.reconcile()
    assert keys.let_in == [b"hall's key"]
    enrolment.admit("kitchen", KITCHEN)
    assert agree(sites, keys)


def test_sites_that_a_new_database_does_not_know_are_named(tmp_path: Path) -> None:
    enrolment = Enrolment(Sites(tmp_path), Keys(), tmp_path)
    enrolment.admit("kitchen", KITCHEN)
    assert Enrolment(Sites(tmp_path), Keys(), tmp_path).strange() == ["kitchen"]
