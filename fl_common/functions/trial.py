"""A function that somebody else wrote, tried on its cases in a child process within limits.

Nothing of it runs in the caller's process: it is compiled in one child, and called in another, both
inside the wall. Run as a program, this module is the second.
"""

import hashlib
import json
import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fl_common.functions.asked import Model, no_model
from fl_common.functions.cases import CASES, Tried, read_cases, try_cases, written
from fl_common.functions.compiling import compile_apart
from fl_common.functions.events import Event, FunctionEvent, Window, event_fields
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.runner import runner_content
from fl_common.functions.sandbox.key import (
    is_whole,
    machine_code_path,
    own_cache,
    write_machine_code,
)
from fl_common.functions.sandbox.outcome import Failure, Outcome
from fl_common.programs.limited_child import ChildLimits, answer_confined, run_confined
from fl_common.programs.wall import shut_in

_MODULE = "fl_common.functions.trial"
_MOST_WRONG = 3
_MOST_WRITTEN = 64 << 20
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """What came of a function's cases.

    ``needs`` are those that its component's imports stand for; None of source text, which runs in
    the shared runner. ``failures`` are cases that are not as expected, and ``wrong`` tells of the
    first. ``fuel`` is the most that a call took. ``seconds`` are the processor's for each call: it
    does not matter what else the machine does. ``digest`` is the SHA-256 of all that was found,
    remembered and logged. ``missing`` are parts of the wall that this machine can't build.
    """

    imports: list[str]
    needs: list[str] | None
    cases: int
    failures: int
    wrong: list[str]
    fuel: int
    seconds: list[float]
    digest: str
    missing: list[str]


def try_function(folder: Path, limits: ChildLimits) -> Trial:
    """Try the function in ``folder`` on its own cases.

    Raises:
        InvalidData: it, or its cases, can't be read or made; or it does not end within the limits.
        InvalidConfiguration: the runner of functions in Python is missing here.
        OSError: no child can be started.
    """
    compiled = compiled_for(FunctionFolder.read(folder), limits)
    places = [str(one) for one in (Path.home(), folder.resolve(), compiled.resolve())]
    request = json.dumps([*places, limits.megabytes]).encode()
    trial = Trial(**json.loads(run_confined(_MODULE, request, limits, "function")))
    if trial.missing:
        _logger.warning("this machine's kernel can't shut a function's trial in (%s): only"
                        " WebAssembly's own limits hold", ", ".join(trial.missing))  # fmt: skip
    return trial


def compiled_for(folder: FunctionFolder, limits: ChildLimits) -> Path:
    """The file with the machine code of what runs a function, made if it is not there."""
    content = folder.content if folder.source is None else runner_content()
    path = machine_code_path(own_cache(), hashlib.sha256(content).hexdigest())
    if not is_whole(path):
        write_machine_code(path, compile_apart(content, Path.home(), limits))
    return path


class Timed:
    """A function whose calls take the seconds of the processor, in place of those on the wall."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def call(self, event: Event, state: Any, model: Model = no_model) -> Outcome:
        """See ``OpenFunction``."""
        began = time.thread_time()
        outcome: Outcome = self._function.call(event, state, model)
        return replace(outcome, seconds=time.thread_time() - began)


class Shaping:
    """A shape as a function whose one event is its window."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def call(self, event: Event, state: Any, _model: Model = no_model) -> Outcome:
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
    home, place, compiled, megabytes = json.loads(request)
    own = Path(place), Path(compiled).parent
    missing = shut_in(Path(home), megabytes, _MOST_WRITTEN, own)
    from fl_common.functions.sandbox.open import function_of, program_at  # inside the wall
    from fl_common.functions.sandbox.program import imports_of, needs_of

    folder, cases = FunctionFolder.read(own[0]), read_cases(own[0] / CASES)
    program = program_at(folder.spec, folder.source, Path(compiled))
    function = function_of(folder.spec, program)
    is_shape = folder.spec.world == "shape"
    tried = try_cases(Timed(Shaping(function) if is_shape else function), cases)
    needs = needs_of(program.component) if program.source is None else None
    trial = _trial(imports_of(program.component), needs, tried, missing)
    return json.dumps(asdict(trial)).encode()


def _trial(
    imports: list[str], needs: list[str] | None, tried: list[Tried], missing: list[str]
) -> Trial:
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
        missing,
    )


def _words(one: Tried) -> str:
    outcome = one.outcome
    found = outcome.failure.text if outcome.failure else [event.kind for event in outcome.events]
    if one.otherwise:
        return f"line {one.case.line} {one.otherwise}"
    return f"line {one.case.line} gave {found or 'nothing'}"


if __name__ == "__main__":
    answer_confined(_answer)
