"""Paths as people write them."""

from pathlib import Path


def from_home(written: str) -> Path:
    """``written`` with ``~`` and ``~name`` replaced by that user's home.

    As in a shell, it stays as it is where there is no such user, or where the user has no home: a
    file may have that name.
    """
    try:
        return Path(written).expanduser()
    except RuntimeError:
        return Path(written)
