"""The answers that have left: a repeated question gets the same one, without training or charge.

A server that resumes asks its last round again. The update of that round is noised already and was
charged; sending it once more tells nothing new, while training again would be a second release.
Only the newest answer of each kind is kept for each of a few runs, so the store stays small.
"""

import contextlib
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from flwr.app import RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from flwr.proto.recorddict_pb2 import RecordDict as Wire

from fl_common.files import OWNER_ONLY, write_whole

_logger = logging.getLogger(__name__)
_SUFFIX = ".answer"
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class IdempotencyKey:
    """What a server asked: the ``kind`` of message, the run and round, and its whole content.

    ``digest`` is that of the content: a round that is asked with other parameters is a new
    question.
    """

    kind: str
    run: str
    round: int
    digest: str

    @property
    def key(self) -> bytes:
        """What an answer is found by."""
        text = f"{self.kind}/{self.run}/{self.round}/{self.digest}"
        return hashlib.sha256(text.encode()).digest()


class ReplyCache:
    """Answers in the files of ``folder``, of the ``runs`` that answered last.

    A file is the question's digest, the answer, and the sha256 of both: one that is cut or altered
    counts as none.
    """

    def __init__(self, folder: Path, runs: int) -> None:
        self._folder, self._runs = folder, runs
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, question: IdempotencyKey) -> RecordDict | None:
        """The answer that was given to ``question``; None where it is not kept."""
        with contextlib.suppress(FileNotFoundError):
            data = self._path(question).read_bytes()
            body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
            if hashlib.sha256(body).digest() != digest:
                _logger.warning("%s is damaged and counts as no answer", self._path(question))
            elif body[:_DIGEST_BYTES] == question.key:
                return recorddict_from_proto(Wire.FromString(body[_DIGEST_BYTES:]))
        return None

    def keep(self, question: IdempotencyKey, answer: RecordDict) -> None:
        """Make ``answer`` the one that is kept for the question's run; durable on return."""
        body = question.key + recorddict_to_proto(answer).SerializeToString()
        write_whole(self._path(question), body + hashlib.sha256(body).digest(), OWNER_ONLY)
        self._forget()

    def _path(self, question: IdempotencyKey) -> Path:
        name = hashlib.sha256(question.run.encode()).hexdigest()[:32]
        return self._folder / f"{name}-{question.kind}{_SUFFIX}"

    def _forget(self) -> None:
        """Remove the answers of all but the newest runs."""
        paths = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda p: p.stat().st_mtime_ns)
        newest = list(dict.fromkeys(p.name.partition("-")[0] for p in reversed(paths)))
        for path in paths:
            if path.name.partition("-")[0] in newest[self._runs :]:
                path.unlink(missing_ok=True)
