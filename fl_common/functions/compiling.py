"""Compiles components to machine code, in a process of its own inside the wall, within limits.

Whoever wrote a component chooses what its compilation takes, so a bomb ends with its process. Run
as a program, this module is that process.
"""

import json
import os
from pathlib import Path

from fl_common.programs.limited_child import ChildLimits, answer_confined, run_confined
from fl_common.programs.wall import shut_in

RUNNER_LIMITS = ChildLimits(seconds=600, megabytes=1024)
"""Of the runner of Python, which is this project's own: half a gigabyte, and on two cores of a
server a quarter of a minute."""
COMPONENT_SECONDS, COMPONENT_MEGABYTES = 120.0, 512
"""Of somebody else's component; of memory more where more is granted. JavaScript takes 400."""
_MODULE = "fl_common.functions.compiling"
_MOST_WRITTEN = 256 << 20
_THREADS = "2"
"""Each takes memory; and the machine has something else to do."""


def compile_apart(content: bytes, home: Path, limits: ChildLimits) -> bytes:
    """The machine code of a component, made in a process that can't read ``home``.

    Raises:
        InvalidData: it can't be compiled, or not within ``limits``.
        OSError: no process can be started.
    """
    head = json.dumps([str(home.absolute()), limits.megabytes]).encode()
    return run_confined(_MODULE, head + b"\n" + content, limits, "component")


def _answer(request: bytes) -> bytes:
    head, _, content = request.partition(b"\n")
    home, megabytes = json.loads(head)
    shut_in(Path(home), megabytes, _MOST_WRITTEN)
    os.environ["RAYON_NUM_THREADS"] = _THREADS
    from fl_common.functions.sandbox.machine_code import compiled  # inside the wall

    return bytes(compiled(content).serialize())


if __name__ == "__main__":
    answer_confined(_answer)
