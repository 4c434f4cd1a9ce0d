"""Sessions of a site with a deployed server, without a process for it."""

from dataclasses import replace
from pathlib import Path

from fl_client.clock.guard import Instant
from fl_client.clock.machine import read_clocks
from fl_client.federation.build import build_server_time
from fl_client.federation.connection import Address, Connection
from tests.deployed.fleet import Cloud, TestSite


def address(cloud: Cloud, key: Path, authority: Path | None = None) -> Address:
    own = cloud.home / "certificates" / "authority.crt"
    return Address(f"localhost:{cloud.port}", authority or own, key, 10)


def joined(place: Address, ahead_s: float = 0) -> Connection:
    """A session of a box whose clock is ahead of this machine's."""

    def clocks() -> Instant:
        now = read_clocks()
        return replace(now, wall_ns=now.wall_ns + round(ahead_s * 10**9))

    return Connection(place, build_server_time(place.key_file.parent, clocks))


def new_site(cloud: Cloud, name: str) -> TestSite:
    site = TestSite(cloud, name)
    site.enroll()
    return site


def key_of(site: TestSite) -> Path:
    return Path(site.settings["key_file"])
