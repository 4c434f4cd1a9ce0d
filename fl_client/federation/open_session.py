"""The session that this box has left open at its server, because it was killed or cut off.

Flower lets a key in again only when its last session has run out: minutes, in words that read like
a wrong key. A box that knows its last session ends it first. A copy of the box's folder does not:
the note counts only in the folder where it was written, so that a second box with the same key is
refused as long as the first is connected.
"""

import json
import logging
from contextlib import suppress
from pathlib import Path

from fl_common.files.whole import OWNER_ONLY, write_whole

FILE = "session.json"
_MACHINE = Path("/etc/machine-id")
_logger = logging.getLogger(__name__)


class OpenSession:
    """The number of the node whose session is open, in the file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def node(self) -> int | None:
        """The node of a session that was left open; None if there is none, or none of this box."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._path.read_text())
            if note["place"] == self._place():
                return int(note["node"])
        return None

    def opened(self, node: int) -> None:
        """Note a session; one that can't be noted runs out by itself."""
        try:
            note = {"node": node, "place": self._place()}
            write_whole(self._path, json.dumps(note).encode(), OWNER_ONLY)
        except OSError as error:
            _logger.warning("%s can't be written: %s", self._path, error)

    def closed(self) -> None:
        """Forget it."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _place(self) -> list[str | int]:
        """What a copy of the folder has not."""
        machine = ""
        with suppress(OSError):
            machine = _MACHINE.read_text().strip()
        return [machine, self._path.parent.stat().st_ino]
