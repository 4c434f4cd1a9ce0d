"""What commands ask a run's process: answers, errors, and those who do not wait any more."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration, RunFailed
from fl_server.cloud.runs.questions import AnswerRefused, Question, Questions


class Desk:
    """Time passes when a command waits; then the run's process answers, if it has a round's end."""

    def __init__(self, folder: Path, answers_after: float = 3.0, ends_after: float = 1e9) -> None:
        self.now, self.folder = 0.0, folder
        self.answers_after, self.ends_after = answers_after, ends_after
        self.questions = Questions(folder, lambda: self.now, self.wait)
        self.asked: list[Question] = []

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.answers_after <= self.now < self.ends_after:
            self.questions.answer(self.answer)

    def answer(self, question: Question) -> Mapping[str, Any]:
        self.asked.append(question)
        if question.about == "nothing":
            raise InvalidConfiguration("model nothing", "is not in testing", "See fl-repo list")
        return {"sites": 2}

    def ask(self, about: str | None = None) -> dict[str, Any] | None:
        question = Question("shadow", about)
        return self.questions.ask(question, lambda: self.now < self.ends_after, 60.0)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_answer_comes_at_the_end_of_a_round_and_nothing_is_left(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.ask("toy") == {"sites": 2}
    assert desk.asked == [Question("shadow", "toy")]
    assert left(tmp_path) == []


def test_an_error_comes_with_its_text_and_status(tmp_path: Path) -> None:
    with pytest.raises(AnswerRefused, match="model nothing: is not in testing") as found:
        Desk(tmp_path).ask("nothing")
    assert found.value.exit_status == 2


def test_a_run_that_ends_first_leaves_the_question_to_the_command(tmp_path: Path) -> None:
    desk = Desk(tmp_path, answers_after=10.0, ends_after=5.0)
    assert desk.ask() is None
    assert (desk.asked, left(tmp_path)) == ([], [])


def test_a_round_that_takes_too_long_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path, answers_after=1e9)
    with pytest.raises(RunFailed, match="has not come to the end of a round for 60 s"):
        desk.ask()
    assert left(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"why": 1}'])
def test_what_is_no_question_is_thrown_away(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.asked").write_bytes(content)
    desk = Desk(tmp_path)
    desk.questions.answer(desk.answer)
    assert (desk.asked, left(tmp_path)) == ([], [])
