"""What other users of a machine, and other programs of the same user, can't read of a process.

New files and folders are their owner's alone (umask 077), whatever the shell had; no core is
dumped, by this process or its children; and no other process of the same user may trace this one or
read its memory or environment (``PR_SET_DUMPABLE``, prctl(2)). Root may.
"""

import ctypes
import logging
import os
import resource
import sys
from pathlib import Path

from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import make_folder

_OTHERS = 0o077
_PR_SET_DUMPABLE = 4
_logger = logging.getLogger(__name__)


def confine() -> None:
    """Shut others out of this process; a child that starts another program calls it again."""
    os.umask(_OTHERS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def private_folder(path: Path, name: str) -> Path:
    """Make the folder ``path`` for its owner alone, or close one that others may enter.

    ``name`` is that of the value that names it.

    Raises:
        InvalidConfiguration: it can't be made or closed.
    """
    try:
        make_folder(path, 0o700)
        close(path)
    except OSError as error:
        raise InvalidConfiguration(
            f"{name}={path}",
            f"can't be made or kept to its owner ({error.strerror})",
            "Choose a writable folder of this user, on a disk that keeps permissions",
        ) from error
    return path


def close(path: Path) -> None:
    """Take a file's or folder's permissions from everybody but its owner, and say so.

    Raises:
        OSError: this user may not, or the disk keeps none.
    """
    mode = path.stat().st_mode & 0o777
    if not mode & _OTHERS:
        return
    path.chmod(mode & ~_OTHERS)
    if path.stat().st_mode & _OTHERS:
        raise PermissionError(1, "the disk keeps no permissions")
    _logger.warning("%s was open to other users (mode %03o); now to its owner alone", path, mode)
