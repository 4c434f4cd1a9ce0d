"""What runs out while a server runs, and is renewed before: its certificate, the repository.

Every box refuses an expired certificate, and takes no component once the repository's timestamp has
expired. What can't be renewed is told long before its end.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.programs.troubles import Troubles
from fl_server.cloud.certificates import Clock, Pair, UnusablePair, ends_at, is_late
from fl_server.cloud.credentials import check_authority, make_own
from fl_server.cloud.home import CloudHome
from fl_server.repository.store.metadata import UtcClock
from fl_server.repository.store.repository import ComponentRepository
from fl_server.repository.store.upkeep import ONLINE, RoleState, refresh, states

_logger = logging.getLogger(__name__)
_DAY_S = 86400.0
_CERTIFICATE, _AUTHORITY, _REPOSITORY = "certificate", "authority", "repository"
Expiries = dict[str, float]
"""Seconds since 1970, by what ends then."""


class CertificateRenewal:
    """Keeps the certificate ``public`` good, and tells the proxy (``reload``) of a new one.

    An operator's own is only watched.
    """

    def __init__(
        self, home: CloudHome, public: Pair, reload: Callable[[], None], troubles: Troubles,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._home, self.public, self._reload = home, public, reload
        self._troubles, self._clock = troubles, clock
        self._served = _content(public)

    def check(self, hosts: Sequence[str], days: float) -> Expiries:
        """Renew it for ``hosts`` and ``days`` if it needs it; what ends when."""
        own = self.public == self._home.public
        fault = self._make(hosts, days) if own else None
        if (content := _content(self.public)) != self._served:
            self._reload()
            self._served = content
            _logger.info("the proxy takes the new certificate %s", self.public.certificate)
        ends = self._watch(own)
        return ends | (self._watch_authority(days, fault) if own else {})

    def _make(self, hosts: Sequence[str], days: float) -> InvalidConfiguration | None:
        try:
            make_own(self._home, hosts, days, self._clock)
            check_authority(self._home)
        except InvalidConfiguration as error:
            return error
        return None

    def _watch(self, own: bool) -> Expiries:
        try:
            certificate = self.public.read()
        except UnusablePair as error:
            self._troubles.begin(_CERTIFICATE, str(error), "Put the file back from a copy")
            return {}
        if is_late(certificate, self._clock()):
            cause = f"{self.public.certificate} ends at {_date(ends_at(certificate))}"
            remedy = f"See the trouble of the {_AUTHORITY}" if own else "Renew it"
            self._troubles.begin(_CERTIFICATE, cause, remedy)
        else:
            self._troubles.end(_CERTIFICATE)
        return {_CERTIFICATE: ends_at(certificate)}

    def _watch_authority(self, days: float, fault: InvalidConfiguration | None) -> Expiries:
        try:
            ends = ends_at(self._home.authority.read_certificate())
        except UnusablePair:
            ends = 0.0  # it is the fault
        if fault is not None:
            self._troubles.begin(_AUTHORITY, f"{fault.value} {fault.rule}", fault.remedy)
        elif ends - self._clock() < days * _DAY_S:
            self._troubles.begin(
                _AUTHORITY,
                f"the authority ends at {_date(ends)}, and then no box reaches this server",
                "Plan a new one: stop the server, remove certificates/ and keys/, start it, and"
                " carry the new authority.crt to every box",
            )
        else:
            self._troubles.end(_AUTHORITY)
        return {_AUTHORITY: ends} if ends else {}


class RepositoryRenewal:
    """Renews the signatures of the repository that is served, where the keys are at hand."""

    def __init__(self, repository: ComponentRepository, troubles: Troubles, now: UtcClock) -> None:
        self._repository, self._troubles, self._now = repository, troubles, now

    def check(self) -> Expiries:
        """Renew what is in the second half of its lifetime; what ends when, by role."""
        try:
            found = self._states()
            if any(self._is_due(state) and _can_sign(state) for state in found):
                renewed, _ = refresh(self._repository, self._now())
                _logger.info("signatures of the repository are renewed: %s", ", ".join(renewed))
                found = self._states()
        except (JoinTheDotsError, OSError) as error:
            cause = str(error).rstrip(".")
            self._troubles.begin(_REPOSITORY, f"can't be renewed: {cause}", "See: fl-repo keys")
            return {}
        self._tell([state for state in found if self._is_left(state)])
        return {state.role: _expiry(state).timestamp() for state in found}

    def _states(self) -> list[RoleState]:
        self._repository.signed.reload()  # others change it, too
        return [state for state in states(self._repository) if state.expires is not None]

    def _tell(self, left: Sequence[RoleState]) -> None:
        if not left:
            self._troubles.end(_REPOSITORY)
            return
        first = min(map(_expiry, left))
        names = ", ".join(state.role for state in left)
        self._troubles.begin(
            _REPOSITORY,
            f"the keys of {names} are not here, and what they signed ends at"
            f" {_date(first.timestamp())}; then every box stops taking updates",
            "Run fl-repo refresh with --keys where they are, or put them in"
            f" {self._repository.signed.keys.where(left[0].role)}",
        )

    def _is_left(self, state: RoleState) -> bool:
        """Whether it will not be renewed: an online role's key has to be here all the time."""
        return not _can_sign(state) and (state.role in ONLINE or self._is_due(state))

    def _is_due(self, state: RoleState) -> bool:
        half = timedelta(days=self._repository.expiry_days(state.role)) / 2
        return _expiry(state) - self._now() < half


def _expiry(state: RoleState) -> datetime:
    assert state.expires is not None
    return state.expires


def _can_sign(state: RoleState) -> bool:
    return state.at_hand >= state.threshold


def _content(pair: Pair) -> tuple[bytes, bytes] | None:
    try:
        return pair.certificate.read_bytes(), pair.key.read_bytes()
    except OSError:
        return None


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
