"""Functions of fl-fn for tests: folders, and functions that are made of a Python callable."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fl_common.functions.asked import Model, no_model
from fl_common.functions.events import Event, FunctionEvent
from fl_common.functions.limits import Limits
from fl_common.functions.sandbox.outcome import Failure, Outcome
from simulate.functions.opened import Opened
from tests.support.sandboxes import LIMITS, fields_of

Found = tuple[Sequence[FunctionEvent], Mapping[str, str], Failure | None]


class Scripted:
    """Answers by ``answer``, which is given the event and the state."""

    def __init__(self, answer: Callable[[Event, Mapping[str, str]], Found]) -> None:
        self._answer = answer

    def call(self, event: Event, state: Mapping[str, str], model: Model = no_model) -> Outcome:
        """See ``OpenFunction``."""
        events, after, failure = self._answer(event, state)
        return Outcome(events, after, [], failure, 1000, 0.001)


def scripted(
    answer: Callable[[Event, Mapping[str, str]], Found], *kinds: str, **limits: int
) -> Opened:
    """An open function of these kinds of events."""
    most = Limits(**{**LIMITS, **limits})
    return Opened("scripted", Scripted(answer), most, kinds or ("prediction",), (), frozenset("*"))


def folder_in(path: Path, source: str, cases: Sequence[Any] = (), **changes: Any) -> Path:
    """The folder of a function in Python, with its cases."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "function.py").write_text(source)
    (path / "function.json").write_text(json.dumps(fields_of(**changes)))
    (path / "cases.jsonl").write_text("".join(f"{json.dumps(case)}\n" for case in cases))
    return path
