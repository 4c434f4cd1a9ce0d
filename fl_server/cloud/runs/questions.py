"""What commands ask a run's process to ask the sites, which it does between two rounds.

Flower has one run at a time here, so a command can't ask sites while one is carried out. A question
is a file, and so is its answer: signed observations stay with the repository, as ever.
"""

import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fl_common.errors import JoinTheDotsError, RunFailed
from fl_common.files.whole import OWNER_ONLY, write_whole
from fl_common.programs.confinement import private_folder

_logger = logging.getLogger(__name__)
_POLL_S = 0.2
_ASKED, _ANSWERED = ".asked", ".answered"


@dataclass(frozen=True)
class Question:
    """``what`` is asked of the sites, of the component ``about`` if it is about one."""

    what: str
    about: str | None = None


class AnswerRefused(JoinTheDotsError):
    """What the run's process answered with an error; carries its message and exit status."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class Questions:
    """The questions in ``folder``; ``clock`` gives seconds, and ``wait`` waits for some."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder, self._clock, self._wait = folder, clock, wait

    def ask(
        self, question: Question, carried_out: Callable[[], bool], patience_s: float
    ) -> dict[str, Any] | None:
        """The answer of the run's process; None if it has ended before it took the question.

        ``carried_out`` says whether a run still is. Waits ``patience_s`` at most.

        Raises:
            RunFailed: no answer in time.
            AnswerRefused: the process could not answer.
        """
        private_folder(self._folder, "questions")
        name = secrets.token_hex(8)
        asked, answered = (self._folder / f"{name}{end}" for end in (_ASKED, _ANSWERED))
        write_whole(asked, json.dumps(asdict(question)).encode(), OWNER_ONLY)
        end = self._clock() + patience_s
        try:
            while self._clock() < end:
                if answered.is_file():
                    return _given(json.loads(answered.read_text()))
                if not carried_out() and not answered.is_file():
                    return None
                self._wait(_POLL_S)
        finally:
            for path in (asked, answered):
                path.unlink(missing_ok=True)
        raise RunFailed(
            f"the run has not come to the end of a round for {patience_s:g} s. Ask again later;"
            " fl-server status shows what it waits for"
        )

    def answer(self, answer: Callable[[Question], Mapping[str, Any]]) -> None:
        """Answer every question that has come; whoever asked may have left."""
        for asked in sorted(self._folder.glob(f"*{_ASKED}")):
            try:
                question = Question(**json.loads(asked.read_text()))
            except (OSError, ValueError, TypeError):  # withdrawn, or by another version
                asked.unlink(missing_ok=True)
                continue
            _logger.info("sites are asked: %s %s", question.what, question.about or "")
            try:
                given: dict[str, Any] = {"values": dict(answer(question))}
            except JoinTheDotsError as error:
                given = {"error": {"message": str(error), "exit_status": error.exit_status}}
            if asked.is_file():
                asked.unlink(missing_ok=True)
                write_whole(asked.with_suffix(_ANSWERED), json.dumps(given).encode(), OWNER_ONLY)


def _given(answer: dict[str, Any]) -> dict[str, Any]:
    if error := answer.get("error"):
        raise AnswerRefused(error["message"], error["exit_status"])
    values: dict[str, Any] = answer["values"]
    return values
