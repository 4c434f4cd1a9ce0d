"""``fl-server backup`` and ``restore``: all that a server keeps, as one file."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePath

from fl_common.errors import InvalidConfiguration
from fl_common.files.backup import restore_backup, write_backup
from fl_common.files.whole import locked
from fl_server.cloud.home import CloudHome
from fl_server.cloud.sites import Sites
from fl_server.cloud.tokens import Tokens
from fl_server.repository.build import load_configuration

_LEFT_OUT = ("logs", "work", "metrics", "handout", "*.lock", ".*")
"""What is made anew, and keys that a box should have taken."""


def backup(home: CloudHome, archive: Path) -> int:
    """Write ``home`` to ``archive`` while nothing is published; the number of files.

    Raises:
        InvalidConfiguration: it is no server's folder, or a file can't be read or written.
    """
    home.read_status()
    seconds = load_configuration(None)["lock_seconds"]
    with locked(home.components / ".lock", seconds):
        return write_backup(home.folder, archive, _keeps)


@dataclass(frozen=True)
class Restored:
    """The number of ``files``; ``sites`` that are let in again, by the keys that they had then.

    ``tokens`` are the numbers of those that let nobody in any more.
    """

    files: int
    sites: list[str]
    tokens: list[str]


def restore(
    archive: Path, home: CloudHome, revoked: Sequence[str] = (), *, keep_tokens: bool = False
) -> Restored:
    """Unpack ``archive`` into ``home``, which must not exist.

    What was revoked after the backup is in force again, and nobody knows which that was: so no
    token lets anybody in any more, unless ``keep_tokens``, and the sites in ``revoked`` are shut
    out before the server's next start is over.

    Raises:
        InvalidConfiguration: it exists, the archive can't be restored, or has no such site: nothing
            is left of it.
    """
    files = restore_backup(archive, home.folder)
    sites, tokens = Sites(home.sites), Tokens(home.tokens, time.time)
    known = sites.all()
    if unknown := sorted(set(revoked) - set(known)):
        shutil.rmtree(home.folder)
        names = ", ".join(known) or "none"
        rule = "is no site of the backup, and so is not let in"
        raise InvalidConfiguration(f"--revoke {unknown[0]}", rule, f"Its sites are: {names}")
    for name in revoked:
        tokens.block(name)
        sites.add(name, replace(known[name], pending=True))
    retired = [] if keep_tokens else tokens.retire()
    return Restored(files, sorted(sites.enrolled()), retired)


def _keeps(path: PurePath) -> bool:
    return not any(fnmatch(path.parts[0], pattern) for pattern in _LEFT_OUT)
