"""``fl-server backup`` and ``restore``: all that a server keeps, as one file."""

from fnmatch import fnmatch
from pathlib import Path, PurePath

from fl_common.files.backup import restore_backup, write_backup
from fl_common.files.whole import locked
from fl_server.cloud.home import CloudHome
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


def restore(archive: Path, home: CloudHome) -> int:
    """Unpack ``archive`` into ``home``, which must not exist; the number of files.

    Raises:
        InvalidConfiguration: it exists, or the archive can't be restored.
    """
    return restore_backup(archive, home.folder)


def _keeps(path: PurePath) -> bool:
    return not any(fnmatch(path.parts[0], pattern) for pattern in _LEFT_OUT)
