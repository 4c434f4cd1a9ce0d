"""The server's own certificates and secret: made when missing, renewed, never over an authority.

Every box trusts the authority's certificate, which was carried to it. So an authority is made once,
before anything is signed. If its key is lost, nothing here makes another one in its place: what is
signed by that would be refused by every box.
"""

import contextlib
import fcntl
import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from fl_common.configuration.rules import Config, above, require
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import OWNER_ONLY, make_folder, write_whole
from fl_common.programs.confinement import private_folder
from fl_server.cloud.build import hosts_of
from fl_server.cloud.certificates import (
    Clock,
    Pair,
    UnusablePair,
    make_authority,
    make_server,
    why_renew,
)
from fl_server.cloud.home import LOOPBACK, CloudHome

_logger = logging.getLogger(__name__)
_MAKING = "making.lock"
_SECRET_BYTES = 32
_SQLITE = b"SQLite format 3\0"
_LONGER = 10
"""Times the days of a server's certificate: those of the authority, and of what only we see."""


def operators_pair(config: Config) -> Pair | None:
    """The certificate of the operator's own; None if the server makes one.

    Raises:
        InvalidConfiguration: only half of a pair was given.
    """
    certificate, key = config["certificate"], config["key"]
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InvalidConfiguration(
            f"certificate={certificate}, key={key}",
            "must be two existing files",
            "Give both, or neither to have them made",
        )
    return Pair(Path(certificate).absolute(), Path(key).absolute())


def prepare(config: Config, home: CloudHome) -> Pair:
    """Create or renew what is the server's own; returns the certificate that sites see.

    Raises:
        InvalidConfiguration: only half of a pair was given, a given file or the authority can't be
            used, or the folder can't be written.
    """
    pair = operators_pair(config)
    make_own(home, () if pair else hosts_of(config), config["certificate_days"])
    if pair is None:
        return home.public
    try:
        pair.read()
    except UnusablePair as error:
        raise InvalidConfiguration(
            f"certificate={config['certificate']}, key={config['key']}",
            f"can't be used: {error}",
            "Give a certificate and its key as PEM files, or neither to have them made",
        ) from error
    return pair


def make_own(home: CloudHome, hosts: Sequence[str], days: float, clock: Clock = time.time) -> None:
    """Create the authority, certificates (a public one for ``hosts``) and secret, where needed.

    A certificate that ends soon, is for other hosts or can't be read is made anew. Programs that
    start together wait for each other.

    Raises:
        InvalidConfiguration: the authority can't be used, or the folder can't be written.
    """
    require("certificate_days", days, above(0))
    private_folder(home.folder, "home")
    with writable(home):
        lock = (home.folder / _MAKING).open("a")
    with lock, writable(home):
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_folder(home.authority.certificate.parent)
        if not _was_begun(home):
            make_authority(home.authority, "Join the Dots authority", days * _LONGER, clock)
        _renew(home, home.inner, LOOPBACK, days * _LONGER, clock)
        if hosts:
            _renew(home, home.public, hosts, days, clock)
        if not home.secret.is_file() or home.secret.stat().st_size != _SECRET_BYTES:
            write_whole(home.secret, secrets.token_bytes(_SECRET_BYTES), OWNER_ONLY)


def check_authority(home: CloudHome) -> None:
    """Raise InvalidConfiguration if certificates can't be renewed from the authority."""
    try:
        home.authority.read()
    except UnusablePair as error:
        raise InvalidConfiguration(
            f"the authority in {home.folder}",
            f"can't sign: {error}",
            "Put the file back from a copy (of the certificate each box has one); no other is made,"
            " as boxes trust this one alone. To begin anew remove certificates/ and keys/, and"
            " carry the new authority.crt to every box",
        ) from error


def _was_begun(home: CloudHome) -> bool:
    """Whether there is an authority, or anything that one has signed: the key is written first."""
    pairs = (home.authority, home.inner, home.public)
    return any(pair.certificate.exists() for pair in pairs)


def _renew(home: CloudHome, pair: Pair, hosts: Sequence[str], days: float, clock: Clock) -> None:
    try:
        authority = home.authority.read_certificate()
    except UnusablePair:
        check_authority(home)
        raise
    if (why := why_renew(pair, authority, hosts, clock())) is None:
        return
    check_authority(home)
    is_new = not pair.certificate.exists()
    make_server(pair, home.authority, hosts, days, clock)
    if not is_new:
        _logger.warning("%s was made anew: %s", pair.certificate, why)


@contextlib.contextmanager
def writable(home: CloudHome) -> Iterator[None]:
    """Report a folder that can't be written in one line."""
    try:
        yield
    except OSError as error:
        raise InvalidConfiguration(
            f"home={home.folder}",
            f"can't be written ({error.strerror})",
            "Free space or mend it, or choose another folder",
        ) from error


def check_database(path: Path) -> None:
    """Raise InvalidConfiguration if the SuperLink can't use the file of its database."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if file.read(len(_SQLITE)) not in (b"", _SQLITE):
            raise InvalidConfiguration(
                str(path),
                "is no database of SQLite any more",
                "Put it back from a copy; or remove it, and revoke and enroll every site again",
            )
