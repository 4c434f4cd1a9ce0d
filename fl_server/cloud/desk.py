"""The desk: where boxes enroll themselves by a token, replace their keys, and say how they are.

Nothing is believed that is not signed by the key in question. Who has no good token learns nothing,
not even which names are taken. Requests come one after the other, through the proxy, which bounds
their size and number.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fl_common.errors import BadInput, JoinTheDotsError
from fl_common.files.keys import fingerprint, usual_form
from fl_common.wire.desk import AUTHORITY, NoRequest, Request, read_request
from fl_server.cloud.enrolment import Enrolment
from fl_server.cloud.reports import SiteReports
from fl_server.cloud.sites import EnrolledSite, checked
from fl_server.cloud.tokens import TokenRefused, Tokens

_logger = logging.getLogger(__name__)
_LATER = "the server can't do this now; its log says why"
_NOT_YOURS = "there is no such site with the key that has signed this"
_NAMED = 20
"""Refusals that are logged one by one; the others are counted."""


class Answer(NamedTuple):
    """An HTTP status, and a body."""

    status: int
    body: bytes


class _Refused(JoinTheDotsError):
    """The request is refused in these words, with an HTTP status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class Desk:
    """Answers requests; ``authority`` is the file that boxes pin.

    ``root`` is that of the repository which is served, for boxes that follow it. ``note`` is told
    the new and the old node of a site with a new key. ``refused`` counts by what was asked.
    """

    enrolment: Enrolment
    tokens: Tokens
    reports: SiteReports
    authority: Path
    root: Path
    note: Callable[[int, int], None] = lambda node, before: None
    refused: Counter[str] = field(default_factory=Counter)

    def answer(self, what: str, content: bytes, address: str) -> Answer:
        """The answer to ``what`` a box at ``address`` asks with ``content``; never raises."""
        try:
            if what == AUTHORITY:
                return Answer(200, self._authority())
            if what == "enroll":
                return self._said(self._enroll(read_request(what, content)))
            if what == "rotate":
                return self._said(self._rotate(read_request(what, content)))
            if what == "report":
                return self._said(self._hear(read_request(what, content)))
            raise _Refused(404, "there is nothing of this name")
        except NoRequest as error:
            return self._no(what, address, _Refused(400, str(error)))
        except TokenRefused as error:
            return self._no(what, address, _Refused(403, str(error)))
        except _Refused as error:
            return self._no(what, address, error)
        except Exception:
            _logger.exception("%s: the request to %s could not be answered", address, what)
            return self._no(what, address, _Refused(503, _LATER))

    def _authority(self) -> bytes:
        try:
            return self.authority.read_bytes()
        except FileNotFoundError:
            raise _Refused(404, "no token was made here yet, so there is nothing to pin") from None

    def _enroll(self, asked: Request) -> Mapping[str, str]:
        number, secret = _text(asked, "token"), _text(asked, "secret")
        name, key = _text(asked, "name"), usual_form(_text(asked, "public_key").encode())
        if key is None or not asked.is_signed_by(key):
            raise _Refused(403, "the request is not signed by a key on P-384 that it names")
        public_key = key.decode()
        token = self.tokens.redeem(number, secret, name, public_key, lambda: self._check(name, key))
        known = self.enrolment.sites.find(name)
        if known is not None and not known.pending and known.public_key != public_key:
            raise _Refused(409, f"site {name} has another key by now")
        if known is None or known.pending:
            self.enrolment.admit(name, EnrolledSite(public_key, token.kind))
            _logger.info(
                "site %s has enrolled itself with token %s: key %s", name, number, fingerprint(key)
            )
        return {"name": name, "root": self.root.read_text() if self.root.is_file() else ""}

    def _rotate(self, asked: Request) -> Mapping[str, str]:
        """Take a new key for a site, at the word of the old one; both have signed."""
        name, key = _text(asked, "name"), usual_form(_text(asked, "public_key").encode())
        known = self.enrolment.sites.enrolled().get(name)
        old = known.public_key.encode() if known else None
        if key is None or old is None:
            raise _Refused(403, _NOT_YOURS)
        if key == old and asked.is_signed_by(key, among=1):
            self.enrolment.shut_out_strangers()  # it asks again: its answer was lost
        elif asked.is_signed_by(old, key):
            self.enrolment.replace_key(name, key.decode(), self.note)
            _logger.info("site %s has a new key: %s", name, fingerprint(key))
        else:
            raise _Refused(403, _NOT_YOURS)
        return {"name": name}

    def _hear(self, asked: Request) -> Mapping[str, str]:
        """Note what a site says of itself."""
        name, known = _text(asked, "name"), self.enrolment.sites.enrolled()
        if name not in known or not asked.is_signed_by(known[name].public_key.encode()):
            raise _Refused(403, _NOT_YOURS)
        healthy = _text(asked, "healthy") == "yes"
        self.reports.hear(name, _text(asked, "version"), healthy, known)
        return {"name": name}

    def _check(self, name: str, key: bytes) -> None:
        """Refuse a name or a key that another box has, or may have."""
        sites = self.enrolment.sites
        try:
            checked(name, "site")
            sites.check_free(name)
        except BadInput as error:
            raise _Refused(409, str(error)) from error
        if name in sites.unreadable():
            raise _Refused(409, f"site {name} is known here, but its record can't be read")
        if any(site.public_key == key.decode() for site in sites.enrolled().values()):
            raise _Refused(409, "this key is that of another site; make one on each box")

    def _said(self, values: Mapping[str, str]) -> Answer:
        return Answer(200, json.dumps(values).encode())

    def _no(self, what: str, address: str, refusal: _Refused) -> Answer:
        self.refused[what if what in ("enroll", "rotate", "report") else "other"] += 1
        if self.refused.total() <= _NAMED:
            _logger.warning("%s: refused to %s: %s", address, what, refusal)
        if self.refused.total() == _NAMED:
            _logger.warning("more refusals at the desk are only counted, until the next start")
        return Answer(refusal.status, json.dumps({"error": str(refusal)}).encode())


def _text(asked: Request, name: str) -> str:
    if name not in asked.values:
        raise NoRequest(f"it has no {name}")
    return asked.values[name]
