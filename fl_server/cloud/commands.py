"""The operator's commands of ``fl-server``: enroll, token, revoke, status."""

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from fl_common.configuration.addresses import joined
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.files.keys import fingerprint, make_key, read_public_key
from fl_common.files.whole import sha256_of, write_whole
from fl_common.wire.desk import Token
from fl_server.cloud.build import home_of, hosts_of, listen_of
from fl_server.cloud.certificates import UnusablePair, names_in
from fl_server.cloud.credentials import make_own, operators_pair
from fl_server.cloud.enrolment import Enrolment, Revocation
from fl_server.cloud.fleet_status import site_rows
from fl_server.cloud.home import CloudHome
from fl_server.cloud.sites import EnrolledSite, Sites, checked
from fl_server.cloud.superlink import superlink_of
from fl_server.cloud.tokens import Tokens
from fl_server.cloud.upkeep import newest_round

_YOURS = Path("authority.crt")
"""Stands for the authority of a certificate that the operator provided: only they have it."""
_THEIRS = Path("site.key")
"""Stands for the private key of a box that made its own."""
_DAY_S = 86_400.0
_logger = logging.getLogger(__name__)


def enroll(
    config: Config, site: str, kind: str, folder: Path | None, public: Path | None = None
) -> list[str]:
    """Register ``site`` with the key in ``public``; return what its operator must set.

    None: a key is made here, in ``folder``, to be carried to the box. ``kind`` is the site's class
    in metrics. If anything fails, nothing is left of it: see ``Enrolment``.

    Raises:
        InvalidConfiguration: an invalid name or key, one that is enrolled, no address to reach, or
            a file that can't be written.
        RunFailed: the server is not running.
    """
    hosts, port = hosts_of(config), listen_of(config).port
    home, kind = home_of(config), checked(kind, "class")
    theirs = None if public is None else read_public_key(public)
    Sites(home.sites).check_free(site)
    make_own(home, (), config["certificate_days"])
    _check_host(config, home, hosts[0])
    place = folder or _handout(home, site)
    key, authority = place / f"{site}.key", place / "authority.crt"
    with _nothing_left_of(place, key, authority):
        public_key = theirs or make_key(key)
        authority = _hand_out_authority(config, home, authority)
        _enrolment(config, home).admit(site, EnrolledSite(public_key.decode(), kind))
    _logger.info("site %s is enrolled with the key %s", site, fingerprint(public_key))
    return [
        f"name={site}",
        f"federation.server={joined(hosts[0], port)}",
        f"federation.ca_file={authority}",
        f"federation.key_file={_THEIRS if theirs else key}",
    ]


def revoke(config: Config, site: str) -> Revocation:
    """Exclude ``site``, at once if the SuperLink runs.

    Raises:
        InvalidConfiguration: no such site.
        RunFailed: the SuperLink does not answer, and this can't be noted for its next start.
    """
    home = home_of(config)
    Tokens(home.tokens, time.time).block(site)
    found = _enrolment(config, home).shut_out(site)
    shutil.rmtree(_handout(home, site), ignore_errors=True)
    _logger.info("site %s is revoked", site)
    return found


def make_token(
    config: Config, kind: str, names: str, uses: int, days: float, authority: Path | None
) -> Token:
    """A token by which as many as ``uses`` boxes with ``names`` may enroll themselves.

    ``authority`` is the file of the one that signed the operator's own certificate.

    Raises:
        InvalidConfiguration: a value outside its range, or no authority that boxes could pin.
    """
    hosts, port = hosts_of(config), listen_of(config).port
    home, kind = home_of(config), checked(kind, "class")
    make_own(home, (), config["certificate_days"])
    _check_host(config, home, hosts[0])
    pinned = _pin(config, home, authority)
    number, secret = Tokens(home.tokens, time.time).make(kind, names, uses, days * _DAY_S)
    return Token(joined(hosts[0], port), sha256_of(pinned), number, secret)


def _pin(config: Config, home: CloudHome, authority: Path | None) -> Path:
    """The authority that boxes are to pin."""
    if config["certificate"] is None:
        if authority is not None:
            raise InvalidConfiguration(
                f"--authority={authority}",
                "is for a certificate of your own (certificate=FILE), and this server made its own",
                "Leave it out",
            )
        return home.authority.certificate
    if authority is None:
        if not home.pinned.is_file():
            raise InvalidConfiguration(
                f"certificate={config['certificate']}",
                "is your own, and boxes must know who signed it",
                "Give --authority FILE, the certificate of its authority",
            )
        return home.pinned
    try:
        write_whole(home.pinned, authority.read_bytes())
    except OSError as error:
        raise InvalidConfiguration(
            f"--authority={authority}", f"can't be copied ({error.strerror})", "Give its file"
        ) from error
    return home.pinned


def revoke_token(config: Config, number: str) -> None:
    """Let nobody new in by this token; who came with it stays.

    Raises:
        InvalidConfiguration: there is none of this number.
    """
    Tokens(home_of(config).tokens, time.time).revoke(number)


def tokens(config: Config) -> list[dict[str, object]]:
    """Every token as JSON values, without its secret, which is kept nowhere."""
    kept = Tokens(home_of(config).tokens, time.time)
    return [
        {
            "token": number,
            "class": token.kind,
            "names": token.names,
            "uses": token.uses,
            "used_by": sorted(token.used),
            "expires": datetime.fromtimestamp(token.expires, UTC).isoformat(timespec="seconds"),
            "over": kept.is_over(token),
        }
        for number, token in kept.all().items()
    ]


def status(config: Config) -> dict[str, object]:
    """Processes, sites and the newest round, as JSON values."""
    home = home_of(config)
    values = home.read_status()
    nodes = superlink_of(config, home).nodes() if values["running"] else []
    sites = site_rows(home, values["run"], nodes)
    return {**values, "sites": sites, "round": newest_round(home, values["run"])}


@contextmanager
def _nothing_left_of(place: Path, *files: Path) -> Iterator[None]:
    """Remove those of ``files``, and the folder ``place``, that the block made before it failed."""
    there = {path for path in (place, *files) if path.exists()}
    try:
        yield
    except BaseException:
        for path in files:
            if path not in there:
                path.unlink(missing_ok=True)
        if place not in there:
            with suppress(OSError):
                place.rmdir()
        raise


def _check_host(config: Config, home: CloudHome, host: str) -> None:
    """Raise InvalidConfiguration if no site could trust the server under this name."""
    if operators_pair(config) is not None:
        return
    try:
        names = names_in(home.public.read_certificate())
    except UnusablePair:
        return  # the server is about to make it
    if host not in names:
        raise InvalidConfiguration(
            f"hosts={host}",
            f"is not in the server's certificate, which is for {', '.join(names)}",
            "Give the hosts that the server was started with, or start it with these",
        )


def _enrolment(config: Config, home: CloudHome) -> Enrolment:
    return Enrolment(Sites(home.sites), superlink_of(config, home), home.folder)


def _hand_out_authority(config: Config, home: CloudHome, path: Path) -> Path:
    """The authority that the site is to trust, at ``path`` if it was made here."""
    if config["certificate"] is not None:
        return _YOURS
    try:
        write_whole(path, home.authority.certificate.read_bytes())
    except OSError as error:
        raise InvalidConfiguration(
            str(path), f"can't be written ({error.strerror})", "Free space, or give --to FOLDER"
        ) from error
    return path


def _handout(home: CloudHome, site: str) -> Path:
    """The folder of a new site's key until it is moved to the site."""
    return home.folder / "handout" / site
