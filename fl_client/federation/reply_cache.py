"""Replies that have been sent: a repeated request gets the same reply, without training or charge.

A server that resumes repeats the requests of its last round; one that was restored from a backup,
those of all rounds since. Their updates are already noised and charged. To send one again reveals
nothing new; to train again would be a second release. The newest replies are kept, up to a size.
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from flwr.app import RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from flwr.proto.recorddict_pb2 import RecordDict as Wire

from fl_common.configuration.rules import require, whole
from fl_common.files.whole import OWNER_ONLY, make_folder, write_whole

_logger = logging.getLogger(__name__)
_SUFFIX = ".answer"
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class IdempotencyKey:
    """Identifies a request: the ``kind`` of message, the run, the round, and the content.

    ``digest`` is the content's: the same round with other parameters is another request.
    """

    kind: str
    run: str
    round: int
    digest: str

    @property
    def sha256(self) -> bytes:
        """The hash under which a reply is stored."""
        text = f"{self.kind}/{self.run}/{self.round}/{self.digest}"
        return hashlib.sha256(text.encode()).digest()


class ReplyCache:
    """Replies in files in ``folder``: the newest, of ``most_bytes`` together; at least one.

    A file holds the key's hash, the reply, and the sha256 of both. A truncated or altered file
    counts as missing.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        require("federation.answers_bytes", most_bytes, whole(1))
        self._folder, self._most_bytes = folder, most_bytes
        make_folder(folder, 0o700)

    def find(self, key: IdempotencyKey) -> RecordDict | None:
        """The reply that was sent for ``key``; None if it is not in the cache."""
        try:
            data = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _logger.warning("%s can't be read and is ignored: %s", self._path(key), error)
            return None
        body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != digest:
            _logger.warning("%s is damaged and is ignored", self._path(key))
        elif body[:_DIGEST_BYTES] == key.sha256:
            return recorddict_from_proto(Wire.FromString(body[_DIGEST_BYTES:]))
        return None

    def keep(self, key: IdempotencyKey, answer: RecordDict) -> None:
        """Store ``answer`` as the newest; durable on return."""
        body = key.sha256 + recorddict_to_proto(answer).SerializeToString()
        write_whole(self._path(key), body + hashlib.sha256(body).digest(), OWNER_ONLY)
        self._forget(self._path(key))

    def _path(self, key: IdempotencyKey) -> Path:
        return self._folder / f"{key.sha256.hex()}{_SUFFIX}"

    def _forget(self, kept: Path) -> None:
        """Remove the oldest replies beyond the limit, but not ``kept``."""
        found = [(path, path.stat()) for path in self._folder.glob(f"*{_SUFFIX}") if path != kept]
        left = self._most_bytes - kept.stat().st_size
        for path, about in sorted(found, key=lambda one: one[1].st_mtime_ns, reverse=True):
            left -= about.st_size
            if left < 0:
                path.unlink(missing_ok=True)
