"""A function that somebody else wrote, tried on its cases in a child process within limits.

Nothing of it runs in the caller's process. Run as a program, this module is the child.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fl_common.functions.cases import CASES, Tried, read_cases, try_cases, written
from fl_common.functions.events import Event, FunctionEvent, Window, event_fields
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.sandbox.outcome import Failure, Outcome
from fl_common.programs.limited_child import ChildLimits, answer_confined, run_confined

_MODULE = "fl_common.functions.trial"
_MOST_WRONG = 3


@dataclass(frozen=True)
class Trial:
    """What came of a function's cases.

    ``needs`` are those that its component's imports stand for; None of source text, which runs in
    the shared runner. ``failures`` are cases that are not as expected, and ``wrong`` tells of the
    first. ``fuel`` is the most that a call took, ``seconds`` are those of each call, and ``digest``
    is the SHA-256 of all that was found, remembered and logged.
    """

    imports: list[str]
    needs: list[str] | None
    cases: int
    failures: int
    wrong: list[str]
    fuel: int
    seconds: list[float]
    digest: str


def try_function(folder: Path, limits: ChildLimits) -> Trial:
    """Try the function in ``folder`` on its own cases.

    Raises:
        InvalidData: it, or its cases, can't be read or made; or it does not end within the limits.
        InvalidConfiguration: the runner of functions in Python is missing here.
        OSError: no child can be started.
    """
    places = [str(folder.resolve()), str(machine_code().absolute())]
    answer = run_confined(_MODULE, json.dumps(places).encode(), limits, "function")
    return Trial(**json.loads(answer))


def machine_code() -> Path:
    """Where this user's compiled functions are kept: one place for all folders."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "join-the-dots" / "machine-code"


class Shaping:
    """A shape as a function whose one event is its window."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def call(self, event: Event, state: Any) -> Outcome:
        """See ``OpenFunction``."""
        if not isinstance(event, Window):
            failure = Failure("error", "a shape is given windows alone")
            return Outcome((), state, (), failure, 0, 0.0)
        window, outcome = self._function.transform(event)
        if window is None:
            return outcome  # type: ignore[no-any-return]
        event_of_it = FunctionEvent("window", event_fields(window)["window"])
        return Outcome((event_of_it,), state, outcome.lines, None, outcome.fuel, outcome.seconds)


def _answer(request: bytes) -> bytes:
    from fl_common.functions.sandbox.open import function_of, program_in  # not for the parent
    from fl_common.functions.sandbox.program import imports_of, needs_of

    place, compiled = map(Path, json.loads(request))
    folder, cases = FunctionFolder.read(place), read_cases(place / CASES)
    program = program_in(folder, compiled)
    function = function_of(folder.spec, program)
    is_shape = folder.spec.world == "shape"
    tried = try_cases(Shaping(function) if is_shape else function, cases)
    needs = needs_of(program.component) if program.source is None else None
    return json.dumps(asdict(_trial(imports_of(program.component), needs, tried))).encode()


def _trial(imports: list[str], needs: list[str] | None, tried: list[Tried]) -> Trial:
    wrong = [one for one in tried if not one.fits]
    return Trial(
        imports,
        needs,
        len(tried),
        len(wrong),
        [_words(one) for one in wrong[:_MOST_WRONG]],
        max(one.outcome.fuel for one in tried),
        [one.outcome.seconds for one in tried],
        hashlib.sha256(written(tried)).hexdigest(),
    )


def _words(one: Tried) -> str:
    outcome = one.outcome
    found = outcome.failure.text if outcome.failure else [event.kind for event in outcome.events]
    return f"line {one.case.line} gave {found or 'nothing'}"


if __name__ == "__main__":
    answer_confined(_answer)
