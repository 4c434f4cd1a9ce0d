"""What runs out is renewed while the server runs, and what can't be is told long before."""

import logging
import time
from datetime import timedelta
from pathlib import Path

import pytest

from fl_common.components.description import Stage
from fl_common.errors import UpdateRefused
from fl_common.programs.troubles import Troubles
from fl_server.cloud.certificates import Pair, ends_at, make_authority, make_server
from fl_server.cloud.credentials import make_own
from fl_server.cloud.home import CloudHome
from fl_server.cloud.renewal import CertificateRenewal, RepositoryRenewal
from tests.support.repositories import World, take

DAYS, DAY_S = 30.0, 86400.0


class Server:
    """A server's certificates, on a clock that can be set; it counts the proxy's reloads."""

    def __init__(self, folder: Path, public: Pair | None = None) -> None:
        self.home, self.late_s, self.reloads = CloudHome(folder), 0.0, 0
        make_own(self.home, ["localhost"], DAYS)
        self.troubles = Troubles()
        self._renewal = CertificateRenewal(
            self.home, public or self.home.public, self._reload, self.troubles, self._now
        )

    def after(self, days: float, hosts: tuple[str, ...] = ("localhost",)) -> list[str]:
        """The parts that fail after so many days."""
        self.late_s = days * DAY_S
        self.ends = self._renewal.check(hosts, DAYS)
        return [trouble.part for trouble in self.troubles.current()]

    def _now(self) -> float:
        return time.time() + self.late_s

    def _reload(self) -> None:
        self.reloads += 1


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "server")


def test_a_certificate_is_renewed_while_the_server_runs(server: Server) -> None:
    assert server.after(1) == []
    assert server.reloads == 0
    first = server.ends["certificate"]
    assert server.after(21) == []
    assert server.reloads == 1
    assert server.ends["certificate"] > first
    assert server.after(21, ("localhost", "fl.example.org")) == []
    assert server.reloads == 2


def test_a_lost_key_of_the_authority_is_told_at_once_and_then_the_end(server: Server) -> None:
    server.home.authority.key.unlink()
    assert server.after(1) == ["authority"]
    assert server.after(21) == ["authority", "certificate"]
    assert server.reloads == 0


def test_the_end_of_the_authority_is_told_before_certificates_get_short(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    assert server.after(DAYS * 8) == []
    with caplog.at_level(logging.INFO):
        assert server.after(DAYS * 9 + 1) == server.after(DAYS * 9 + 1.1) == ["authority"]
    assert caplog.text.count("the authority ends at") == 1, "told once"
    assert "works again" not in caplog.text
    assert "authority" in server.ends


def test_a_new_certificate_of_the_operator_is_taken_and_an_old_one_named(tmp_path: Path) -> None:
    authority, theirs = (Pair(tmp_path / f"{n}.crt", tmp_path / f"{n}.key") for n in "ab")
    make_authority(authority, "theirs", 1000.0, time.time)
    make_server(theirs, authority, ["localhost"], DAYS, time.time)
    server = Server(tmp_path / "server", theirs)
    assert server.after(1) == []
    assert server.after(21) == ["certificate"]
    make_server(theirs, authority, ["localhost"], 3 * DAYS, time.time)
    assert server.after(21) == []
    assert server.reloads == 1
    assert server.ends == {"certificate": ends_at(theirs.read())}


def test_a_certificate_that_is_gone_is_named(server: Server, tmp_path: Path) -> None:
    theirs = Pair(tmp_path / "none.crt", tmp_path / "none.key")
    assert Server(tmp_path / "other", theirs).after(1) == ["certificate"]


def test_the_timestamp_is_renewed_before_boxes_stop_taking_updates(world: World) -> None:
    repository, troubles = world.repository(), Troubles()
    added = world.add()
    renewal = RepositoryRenewal(repository, troubles, world.now)
    first = renewal.check()["timestamp"]
    version = repository.signed.timestamp().version
    for _ in range(12):
        world.late += timedelta(hours=5)
        ends = renewal.check()
        assert ends["timestamp"] - world.now().timestamp() > 0.49 * DAY_S
    assert ends["timestamp"] > first
    assert 3 <= repository.signed.timestamp().version - version <= 5, "not at each look"
    assert troubles.current() == ()
    world.late = timedelta()
    assert take(world.reader(), Stage.TESTING) == added


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_a_missing_online_key_is_told_at_once(world: World, role: str) -> None:
    repository, troubles = world.repository(), Troubles()
    (key,) = world.keys.glob(f"{role}-*.pem")
    key.rename(key.with_suffix(".away"))
    renewal = RepositoryRenewal(repository, troubles, world.now)
    renewal.check()
    (trouble,) = troubles.current()
    assert f"the keys of {role} are not here" in str(trouble)
    assert f"{world.keys}/{role}-*.pem" in str(trouble)
    key.with_suffix(".away").rename(key)
    renewal.check()
    assert troubles.current() == ()


def test_a_key_that_is_kept_elsewhere_is_asked_for_in_the_second_half(world: World) -> None:
    repository, troubles = world.repository(), Troubles()
    for key in world.keys.glob("production-*.pem"):
        key.rename(key.with_suffix(".away"))
    renewal = RepositoryRenewal(repository, troubles, world.now)
    world.late = timedelta(days=1)
    renewal.check()
    assert troubles.current() == ()
    world.late = timedelta(days=46)
    renewal.check()
    (trouble,) = troubles.current()
    assert "the keys of production are not here" in str(trouble)


def test_a_damaged_repository_is_a_trouble_not_an_end(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    repository, troubles = world.repository(), Troubles()
    (world.place / "metadata" / "timestamp.json").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert RepositoryRenewal(repository, troubles, world.now).check() == {}
    (trouble,) = troubles.current()
    assert "timestamp.json" in str(trouble)
    assert caplog.text.count("timestamp.json") == 1
    with pytest.raises(UpdateRefused, match="Put it back from a copy"):
        repository.signed.timestamp()
