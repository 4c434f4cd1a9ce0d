"""Sessions of a site with a deployed server, without a process for it."""

from pathlib import Path

from fl_client.federation.build import build_server_time
from fl_client.federation.connection import Address, Connection
from fl_client.federation.open_session import OpenSession
from tests.deployed.fleet import Cloud, TestSite
from tests.support.clocks import ahead_by


def address(cloud: Cloud, key: Path, authority: Path | None = None) -> Address:
    own = cloud.home / "certificates" / "authority.crt"
    return Address(f"localhost:{cloud.port}", authority or own, key, 10)


def joined(place: Address, ahead_s: float = 0) -> Connection:
    """A session of a box whose clock is ahead of this machine's."""
    folder = place.key_file.parent
    session = OpenSession(folder / f"{place.key_file.name}.session")
    return Connection(place, build_server_time(folder, ahead_by(ahead_s)), session)


def new_site(cloud: Cloud, name: str) -> TestSite:
    site = TestSite(cloud, name)
    site.enroll()
    return site


def key_of(site: TestSite) -> Path:
    return Path(site.settings["key_file"])
