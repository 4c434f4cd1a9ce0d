"""What ``fl-server`` does for an operator: start, enroll, revoke, status."""

import json
import logging
import re
import shutil
from pathlib import Path

from fl_common.errors import InvalidConfiguration
from fl_server.cloud.build import Config, home_of
from fl_server.cloud.certificates import make_site_key
from fl_server.cloud.home import CloudHome
from fl_server.cloud.serving import prepare
from fl_server.cloud.superlink import SuperLink

_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_logger = logging.getLogger(__name__)


def enroll(config: Config, site: str, folder: Path | None) -> list[str]:
    """Make a key for ``site`` in ``folder``, let it in, and say what its operator must set.

    Raises:
        InvalidConfiguration: a name of another form, or one that is enrolled.
        RunFailed: the server is not running.
    """
    home = home_of(config)
    record = _record(home, site)
    if record.exists():
        raise InvalidConfiguration(
            f"site {site}", "is enrolled already", f"Revoke it first: fl-server revoke {site}"
        )
    prepare(config, home)
    place = folder or home.folder / "handout" / site
    key, authority = place / f"{site}.key", place / "authority.crt"
    public_key = make_site_key(key)
    try:
        _link(config, home).enroll(public_key)
    except BaseException:
        key.unlink()
        raise
    home.sites.mkdir(exist_ok=True)
    partial = record.with_suffix(".partial")
    partial.write_bytes(public_key)
    partial.replace(record)
    if config["certificate"] is None:
        shutil.copyfile(home.authority.certificate, authority)
    port = str(config["listen"]).rpartition(":")[2]
    return [
        f"federation.server={config['hosts'][0]}:{port}",
        f"federation.ca_file={authority}",
        f"federation.key_file={key}",
    ]


def revoke(config: Config, site: str) -> bool:
    """Shut ``site`` out, at once; False where the SuperLink did not know it.

    Raises:
        InvalidConfiguration: no such site.
        RunFailed: the server is not running.
    """
    home = home_of(config)
    record = _record(home, site)
    if not record.is_file():
        known = ", ".join(sorted(path.stem for path in home.sites.glob("*.pub"))) or "none"
        raise InvalidConfiguration(f"site {site}", "is not enrolled", f"Enrolled are: {known}")
    found = _link(config, home).revoke(record.read_bytes())
    record.unlink()
    _logger.info("site %s is revoked", site)
    return found


def status(config: Config) -> dict[str, object]:
    """Processes, sites and the newest round, as JSON values."""
    home = home_of(config)
    values = home.read_status()
    sites = {}
    if values["running"]:
        online = {node.public_key: node.status for node in _link(config, home).nodes()}
        sites = {p.stem: online.get(p.read_bytes(), "?") for p in sorted(home.sites.glob("*.pub"))}
    newest = home.runs / str(values["run"]) / "round.json"
    return {
        **values,
        "sites": sites,
        "round": json.loads(newest.read_text()) if newest.is_file() else None,
    }


def _record(home: CloudHome, site: str) -> Path:
    if not _SITE.fullmatch(site):
        raise InvalidConfiguration(
            f"site {site!r}", "must be letters, digits, dots and dashes, up to 64", "Choose one so"
        )
    return home.sites / f"{site}.pub"


def _link(config: Config, home: CloudHome) -> SuperLink:
    return SuperLink(config["superlink_port"], home.authority.certificate, home.secret)
