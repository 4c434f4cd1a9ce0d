"""The operator's commands of ``fl-server``: start, enroll, revoke, status."""

import json
import logging
import shutil
from pathlib import Path

from fl_common.configuration import Config
from fl_common.errors import InvalidConfiguration
from fl_common.files import write_whole
from fl_server.cloud.build import check_addresses, home_of
from fl_server.cloud.certificates import make_site_key
from fl_server.cloud.home import CloudHome
from fl_server.cloud.serving import prepare
from fl_server.cloud.sites import EnrolledSite, Sites, checked
from fl_server.cloud.superlink import SuperLink

_YOURS = Path("authority.crt")
"""Stands for the authority of a certificate that the operator provided: only they have it."""
_logger = logging.getLogger(__name__)


def enroll(config: Config, site: str, kind: str, folder: Path | None) -> list[str]:
    """Make a key for ``site`` in ``folder``, register it, and return what its operator must set.

    ``kind`` is the site's class in metrics.

    Raises:
        InvalidConfiguration: an invalid name, one that is enrolled, or no address to reach.
        RunFailed: the server is not running.
    """
    check_addresses(config)
    home = home_of(config)
    sites, kind = Sites(home.sites), checked(kind, "class")
    if sites.find(site) is not None:
        raise InvalidConfiguration(
            f"site {site}", "is already enrolled", f"Revoke it first: fl-server revoke {site}"
        )
    prepare(config, home)
    place = folder or _handout(home, site)
    key, authority = place / f"{site}.key", place / "authority.crt"
    public_key = make_site_key(key)
    try:
        _link(config, home).enroll(public_key)
    except BaseException:
        key.unlink()
        raise
    sites.add(site, EnrolledSite(public_key.decode(), kind))
    if config["certificate"] is None:
        write_whole(authority, home.authority.certificate.read_bytes())
    else:
        authority = _YOURS
    port = str(config["listen"]).rpartition(":")[2]
    return [
        f"federation.server={config['hosts'][0]}:{port}",
        f"federation.ca_file={authority}",
        f"federation.key_file={key}",
    ]


def revoke(config: Config, site: str) -> bool:
    """Exclude ``site`` at once; False if the SuperLink did not know it.

    Raises:
        InvalidConfiguration: no such site.
        RunFailed: the server is not running.
    """
    home = home_of(config)
    sites = Sites(home.sites)
    if (known := sites.find(site)) is None:
        names = ", ".join(sites.names()) or "none"
        raise InvalidConfiguration(f"site {site}", "is not enrolled", f"Enrolled are: {names}")
    found = _link(config, home).revoke(known.public_key.encode())
    sites.remove(site)
    shutil.rmtree(_handout(home, site), ignore_errors=True)
    _logger.info("site %s is revoked", site)
    return found


def status(config: Config) -> dict[str, object]:
    """Processes, sites and the newest round, as JSON values."""
    home = home_of(config)
    values = home.read_status()
    sites = _online(config, home) if values["running"] else {}
    newest = home.runs / str(values["run"]) / "round.json"
    return {
        **values,
        "sites": sites,
        "round": json.loads(newest.read_text()) if newest.is_file() else None,
    }


def _handout(home: CloudHome, site: str) -> Path:
    """The folder of a new site's key until it is moved to the site."""
    return home.folder / "handout" / site


def _online(config: Config, home: CloudHome) -> dict[str, dict[str, str]]:
    """Class and Flower's status (online, offline) of each enrolled site."""
    word_of = {node.public_key: node.status for node in _link(config, home).nodes()}
    return {
        name: {"class": site.kind, "status": word_of.get(site.public_key.encode(), "unknown")}
        for name, site in Sites(home.sites).enrolled().items()
    }


def _link(config: Config, home: CloudHome) -> SuperLink:
    return SuperLink(config["superlink_port"], home.authority.certificate, home.secret)
