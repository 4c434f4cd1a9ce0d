"""The training process beside the sensing loop: it is started, supervised and ended by the node.

It shares only files (the window store, the ledger, the model slots), runs at a lower priority, and
is restarted when it ends. Its command comes from the configuration, so the node is independent of
Flower.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fl_common.configuration.rules import Rule, above, number, optional, require_fields, whole
from fl_common.programs.troubles import Troubles

_logger = logging.getLogger(__name__)
_GRACE_S = 10.0
_SETTLED_S = 20.0
PART = "training"
"""Its name among the troubles."""
_TIED = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
"""Ends the child when this process is killed; part of util-linux, so every Linux has it."""


@dataclass(frozen=True, slots=True)
class Training:
    """``command`` (a program and its arguments; null: no training) at ``nice`` 0 to 19.

    After it ends it is restarted in ``restart_s`` seconds. The wait doubles each time, up to
    ``longest_restart_s``; after it has run for so long it is ``restart_s`` again.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    command: Sequence[str] | None
    nice: int
    restart_s: float
    longest_restart_s: float

    def __post_init__(self) -> None:
        require_fields(
            "training",
            self,
            command=optional(Rule("must name a program", lambda words: len(words) > 0)),
            nice=whole(0, 19),
            restart_s=above(0),
            longest_restart_s=number(
                "must be at least restart_s", lambda longest_s: longest_s >= self.restart_s
            ),
        )


async def supervise(
    training: Training, running: Callable[[bool], None], troubles: Troubles
) -> None:
    """Keep the command running until cancelled; ``running`` is called at each start and end.

    It is a trouble from when it ends until it has run for ``_SETTLED_S``.
    """
    assert training.command is not None
    clock, wait_s = asyncio.get_running_loop().time, training.restart_s
    while True:
        began = clock()
        status = await _run(training.command, training.nice, running, troubles)
        if clock() - began >= training.longest_restart_s:
            wait_s = training.restart_s
        cause = f"the training process ended with status {status} and is started again and again"
        command = " ".join(training.command)
        remedy = f"Sensing goes on. Its lines in the log say why; run {command!r} by hand to see it"
        troubles.begin(PART, cause, remedy)
        _logger.info("the training process is started again in %g s", wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, training.longest_restart_s)


async def _run(
    command: Sequence[str], nice: int, running: Callable[[bool], None], troubles: Troubles
) -> int | str:
    """Run the command once, in a process group of its own that ends with this call."""
    try:
        child = await asyncio.create_subprocess_exec(
            "nice", f"-n{nice}", *_TIED, *command, start_new_session=True
        )
    except OSError as error:
        return str(error)
    running(True)
    settled = asyncio.get_running_loop().call_later(_SETTLED_S, troubles.end, PART)
    try:
        return await child.wait()
    finally:
        settled.cancel()
        running(False)
        await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    """End the process group: SIGTERM first, then SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(child.wait(), _GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
