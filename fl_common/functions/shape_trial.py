"""A shape that somebody else wrote, tried on one window in a child process within limits.

Nothing of it runs in the caller's process. Run as a program, this module is the child.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidData
from fl_common.functions.events import Window, from_stored, to_stored
from fl_common.functions.shape import shape_in
from fl_common.functions.trial import compiled_for
from fl_common.programs.limited_child import ChildLimits, answer_confined, run_confined
from fl_common.programs.wall import shut_in

_MODULE = "fl_common.functions.shape_trial"
_MOST_WRITTEN = 16 << 20
"""Bytes of the answer: a window as JSON."""


def try_shape(folder: Path, window: Window, limits: ChildLimits) -> Mapping[str, Any]:
    """What the shape in ``folder`` makes of ``window``, as JSON values: ``channels``, ``values``.

    Raises:
        InvalidData: there is none, or it can't be made, or fails, or does not end.
        InvalidConfiguration: the runner of functions in Python is missing here.
        OSError: no child can be started.
    """
    compiled = compiled_for(shape_in(folder), limits)
    places = [str(one) for one in (Path.home(), folder.resolve(), compiled.resolve())]
    request = json.dumps([*places, limits.megabytes, to_stored(window)]).encode()
    answer = run_confined(_MODULE, request, limits, "function")
    made: Mapping[str, Any] = json.loads(answer)
    return made


def _answer(request: bytes) -> bytes:
    home, place, compiled, megabytes, stored = json.loads(request)
    own = Path(place), Path(compiled).parent
    shut_in(Path(home), megabytes, _MOST_WRITTEN, own)
    from fl_common.functions.sandbox.open import function_of, program_at  # inside the wall

    window, folder = from_stored(stored), shape_in(own[0])
    assert isinstance(window, Window)
    program = program_at(folder.spec, folder.source, Path(compiled))
    made, outcome = function_of(folder.spec, program).transform(window)
    if made is None:
        failure = outcome.failure.text if outcome.failure else "nothing"
        raise InvalidData(
            f"the shape {Path(place).name}",
            f"fails at a window of typical readings ({failure})",
            "Correct it, or choose another for this task",
        )
    return json.dumps(to_stored(made)["window"]).encode()


if __name__ == "__main__":
    answer_confined(_answer)
