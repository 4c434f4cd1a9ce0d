"""The draws of noise of a site over restarts, on disk, so that one that comes again is noticed.

A device whose generator begins with the same seed at each start repeats its noise from one process
to the next. Digests are kept of noise without a seed alone: seeded noise may be drawn again.
"""

import logging
import os
from pathlib import Path

from fl_common.errors import PrivacyViolation
from fl_common.files.whole import OWNER_ONLY, append, write_whole
from fl_common.privacy.draws import DIGEST_BYTES, DRAWS, MOST_DRAWS, DrawHistory

_logger = logging.getLogger(__name__)
_FILE = "noise.drawn"


class DrawnBefore:
    """The file of draws in ``folder``; several processes may share it.

    ``history`` is the process's, which learns what the file has.
    """

    def __init__(self, folder: Path, history: DrawHistory = DRAWS) -> None:
        self._path, self._history = folder / _FILE, history
        self._read = 0
        history.learn(self._news())

    def keep(self) -> None:
        """Write the draws since the last call, durably; call it before anything leaves.

        Raises:
            PrivacyViolation: another process has drawn one of them; nothing may leave.
            OSError: the file can't be written.
        """
        fresh = self._history.take_fresh()
        if not fresh:
            return
        others = set(self._news())
        if others & set(fresh):
            raise PrivacyViolation(
                "another process of this site has drawn the same noise. Nothing is released."
            )
        self._history.learn(others)
        self._append(b"".join(fresh))

    def _append(self, content: bytes) -> None:
        append(self._path, content, OWNER_ONLY)
        self._read += len(content)
        self._shorten()

    def _shorten(self) -> None:
        """Keep the newest draws alone, once there are twice as many as are remembered."""
        most = MOST_DRAWS * DIGEST_BYTES
        if self._read > 2 * most:
            write_whole(self._path, self._path.read_bytes()[-most:], OWNER_ONLY)
            self._read = most

    def _news(self) -> list[bytes]:
        """What the file has beyond what was read; a partial digest at its end is dropped."""
        try:
            with self._path.open("rb") as file:
                shorter = os.fstat(file.fileno()).st_size < self._read
                self._read = 0 if shorter else self._read
                file.seek(self._read)
                content = file.read()
        except FileNotFoundError:
            return []
        if len(content) % DIGEST_BYTES:
            _logger.warning("%s ends within a digest: an append was cut off", self._path)
            content = content[: -(len(content) % DIGEST_BYTES)]
            os.truncate(self._path, self._read + len(content))
        self._read += len(content)
        places = range(0, len(content), DIGEST_BYTES)
        return [content[place : place + DIGEST_BYTES] for place in places]
