"""Locations of our files outside the outputs folder."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where downloads and parsed archives are kept; may not exist yet.

    ``$XDG_CACHE_HOME/join-the-dots``, else ``~/.cache/join-the-dots`` (XDG Base Directory
    Specification 0.8, which has a relative path ignored).
    """
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = chosen if chosen.is_absolute() else Path.home() / ".cache"
    return base / "join-the-dots"
