"""Who is let in: the SuperLink admits exactly the keys that the registry of sites has.

Both change in steps, and any step may fail or be the last one before a power cut. A site is noted
as pending first, then admitted by the SuperLink, then noted as enrolled; it is shut out in the
reverse order. So a key that the SuperLink admits is always in the registry, from which it can be
revoked, and what is pending when nothing is in progress was cut off, and is undone.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.files.whole import locked
from fl_server.cloud.sites import EnrolledSite, Sites
from fl_server.cloud.superlink import SuperNode

_LOCK, _LOCK_S = ".enrolling", 30.0
_logger = logging.getLogger(__name__)


class Revocation(StrEnum):
    """What became of a revocation."""

    DONE = "shut out"
    UNKNOWN = "the SuperLink did not know it"
    NOTED = "its answers count no more, and it is shut out when the SuperLink runs"


class Admissions(Protocol):
    """The keys that are let in (``SuperLink``).

    Raises (all methods):
        RunFailed: it does not respond, or refuses.
    """

    def enroll(self, public_key: bytes) -> int:
        """Let the holder of this key in."""
        ...

    def revoke(self, public_key: bytes) -> bool:
        """Shut it out at once; False if it was not let in."""
        ...

    def nodes(self) -> list[SuperNode]:
        """All that are let in."""
        ...


@dataclass(frozen=True)
class Enrolment:
    """Changes the registry and the SuperLink together; ``folder`` has the lock."""

    sites: Sites
    admissions: Admissions
    folder: Path

    def admit(self, name: str, site: EnrolledSite) -> None:
        """Enroll ``site``.

        Raises:
            InvalidConfiguration: the name or the key is enrolled already, or the registry can't be
                written. The key is not let in.
            RunFailed: the SuperLink does not respond, or refuses.
        """
        with self._alone():
            self._check_new(name, site)
            pending = replace(site, pending=True)
            with _writable(name):
                self.sites.add(name, pending)
            try:
                self.admissions.enroll(site.public_key.encode())
                with _writable(name):
                    self.sites.add(name, site)
            except BaseException:
                self._undo(name, pending)
                raise

    def replace_key(self, name: str, public_key: str, note: Callable[[int, int], None]) -> None:
        """Let site ``name`` in by ``public_key`` (PEM), and no more by the key that it had.

        ``note`` is told its new node and its old one, before anybody takes the new one for it. If
        anything fails before the registry has the new key, the old one stays and the new one is
        shut out; after that it is the other way round, at the next start at the latest.

        Raises:
            InvalidConfiguration: another site has that key, or the registry can't be written.
            RunFailed: the SuperLink does not respond, or refuses.
        """
        with self._alone():
            known = self.sites.enrolled()[name]
            self._check_key(name, public_key)
            numbers = {node.public_key: node.id for node in self.admissions.nodes()}
            if public_key.encode() in numbers:  # of an attempt that was cut off
                self.admissions.revoke(public_key.encode())
            try:
                node = self.admissions.enroll(public_key.encode())
                with _writable(name):
                    if (before := numbers.get(known.public_key.encode())) is not None:
                        note(node, before)
                    self.sites.add(name, replace(known, public_key=public_key))
            except BaseException:
                with suppress(RunFailed):
                    self.admissions.revoke(public_key.encode())
                raise
            self.admissions.revoke(known.public_key.encode())

    def shut_out_strangers(self) -> None:
        """Shut out every key that no site has."""
        with self._alone():
            self._shut_out_strangers()

    def shut_out(self, name: str) -> Revocation:
        """Revoke the site's key and forget the site.

        Of a record that can't be read the key is not known: so every key that no site has is
        revoked. Where the SuperLink does not respond, the note of it counts: no answer of the site
        does from now on, and ``reconcile`` carries it out.

        Raises:
            InvalidConfiguration: no such site.
            RunFailed: the SuperLink does not respond, and no note can be written.
        """
        with self._alone():
            if name in self.sites.unreadable():
                self.sites.remove(name)
                try:
                    return Revocation.DONE if self._shut_out_strangers() else Revocation.UNKNOWN
                except RunFailed:
                    return Revocation.NOTED
            if (known := self.sites.find(name)) is None:
                names = ", ".join(self.sites.names()) or "none"
                raise InvalidConfiguration(
                    f"site {name}", "is not enrolled", f"Enrolled are: {names}"
                )
            return self._revoke(name, known)

    def _revoke(self, name: str, site: EnrolledSite) -> Revocation:
        is_noted = False
        with suppress(OSError):  # a full disk does not keep a key in
            self.sites.add(name, replace(site, pending=True))
            is_noted = True
        try:
            found = self.admissions.revoke(site.public_key.encode())
        except RunFailed:
            if not is_noted:
                raise
            return Revocation.NOTED
        self.sites.remove(name)
        return Revocation.DONE if found else Revocation.UNKNOWN

    def reconcile(self) -> None:
        """Shut out every key that the registry does not have, and undo what was cut off.

        Raises:
            RunFailed: the SuperLink does not respond.
        """
        with self._alone():
            for name, site in self.sites.all().items():
                if site.pending:
                    _logger.warning(
                        "an enrolment or a revocation of site %s was cut off: it is shut out", name
                    )
                    self.admissions.revoke(site.public_key.encode())
                    self.sites.remove(name)
            self._shut_out_strangers()

    def strange(self) -> list[str]:
        """Enrolled sites that the SuperLink does not know: its database is gone.

        Raises:
            RunFailed: it does not respond.
        """
        admitted = {node.public_key for node in self.admissions.nodes()}
        enrolled = self.sites.enrolled().items()
        return [name for name, site in enrolled if site.public_key.encode() not in admitted]

    def _shut_out_strangers(self) -> bool:
        """Shut out every key that no site has; whether there was one."""
        known = {site.public_key.encode() for site in self.sites.enrolled().values()}
        strangers = [node for node in self.admissions.nodes() if node.public_key not in known]
        for node in strangers:
            _logger.warning("node %s is no enrolled site, and is shut out", node.id)
            self.admissions.revoke(node.public_key)
        return bool(strangers)

    def _check_new(self, name: str, site: EnrolledSite) -> None:
        self.sites.check_free(name)
        if name in self.sites.unreadable():
            raise InvalidConfiguration(
                f"site {name}", "has a record that can't be read", f"fl-server revoke {name} first"
            )
        if (old := self.sites.all().get(name)) is not None:
            self._undo(name, old)
        self._check_key(name, site.public_key)

    def _check_key(self, name: str, public_key: str) -> None:
        known = self.sites.all()
        holders = [one for one, site in known.items() if site.public_key == public_key]
        if holders and holders != [name]:
            raise InvalidConfiguration(
                f"the key of site {name}",
                f"is that of site {holders[0]}",
                "Make a key on each box: fl-client key",
            )

    def _undo(self, name: str, site: EnrolledSite) -> None:
        """Shut out and forget; if that is not possible now, the next start does it."""
        with suppress(RunFailed, OSError):
            self.admissions.revoke(site.public_key.encode())
            self.sites.remove(name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with ExitStack() as stack:
            with _writable("in progress"):
                stack.enter_context(locked(self.folder / _LOCK, _LOCK_S))
            yield


@contextmanager
def _writable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidConfiguration(
            f"the record of site {name}",
            f"can't be written ({error.strerror or error}), and its key is not let in",
            "Free space, or mend the server's folder, and enroll it again",
        ) from error
