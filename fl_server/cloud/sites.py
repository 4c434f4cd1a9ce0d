"""The enrolled sites: the public key and the class of each."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import sync, write_whole
from fl_server.cloud.superlink import SuperNode
from fl_server.rounds.roster import Member

SPENT = "spent.json"
"""In a run's folder: the server's account of it, by site."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class EnrolledSite:
    """``public_key`` is PEM; ``kind`` is the site's class, such as ward or home.

    A ``pending`` site is being let in or shut out: see ``enrolment``.
    """

    public_key: str
    kind: str
    pending: bool = False


class Sites:
    """A file for each enrolled site in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """All of them, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def all(self) -> dict[str, EnrolledSite]:
        """All of them by name, also those that are pending."""
        return {name: site for name in self.names() if (site := self.find(name))}

    def enrolled(self) -> dict[str, EnrolledSite]:
        """The sites that are let in, by name."""
        return {name: site for name, site in self.all().items() if not site.pending}

    def find(self, name: str) -> EnrolledSite | None:
        """The site; None if it is not enrolled, or if its file can't be read.

        Raises:
            InvalidConfiguration: an invalid name.
        """
        try:
            return EnrolledSite(**json.loads(self._path(name).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def unreadable(self) -> list[str]:
        """Sites whose files can't be read: their keys are not known."""
        return [name for name in self.names() if self.find(name) is None]

    def check_free(self, name: str) -> None:
        """Raise InvalidConfiguration for an invalid name, or one that is enrolled."""
        if (known := self.find(name)) is not None and not known.pending:
            remedy = f"Revoke it first: fl-server revoke {name}"
            raise InvalidConfiguration(f"site {name}", "is already enrolled", remedy)

    def add(self, name: str, site: EnrolledSite) -> None:
        """Remember the site."""
        write_whole(self._path(name), json.dumps(asdict(site)).encode())

    def remove(self, name: str) -> None:
        """Forget the site."""
        path = self._path(name)
        path.unlink()
        sync(path.parent)

    def kinds(self) -> dict[str, str]:
        """The class of each enrolled site, by name."""
        return {name: site.kind for name, site in self.enrolled().items()}

    def members(self, nodes: Iterable[SuperNode]) -> list[Member]:
        """The nodes that are enrolled sites, each under the name that its key was enrolled with.

        The SuperLink knows which key a node has proved to hold, so nobody chooses a name.
        """
        name_of = {s.public_key.encode(): name for name, s in self.enrolled().items()}
        return sorted(Member(n.id, name_of[n.public_key]) for n in nodes if n.public_key in name_of)

    def _path(self, name: str) -> Path:
        return self._folder / f"{checked(name, 'site')}.json"


def checked(name: str, what: str) -> str:
    """``name``, if it is valid for a site or a class.

    Raises:
        InvalidConfiguration: it is not valid.
    """
    if not _NAME.fullmatch(name):
        raise InvalidConfiguration(
            f"{what} {name!r}",
            "must be letters, digits, dots and dashes, up to 64",
            "Choose one so",
        )
    return name
