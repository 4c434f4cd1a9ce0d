"""A process of a function host that was started, and the way to it."""

import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fl_client.functions.host import HostLimits
from fl_client.functions.host.asking import QUESTION, Answerer, nobody, reply_to
from fl_client.functions.host.channel import Channel, ChannelError
from fl_common.programs.limited_child import without_secrets
from fl_common.programs.own import own_program

_MODULE = "fl_client.functions.host.child"
START_S = 60.0
"""Of the process, or of making a function: it may import large packages."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""Each thread of numpy would take some tens of megabytes of address space, which is limited."""
MOST_QUESTIONS = 1000
"""Of one call; a function in a sandbox has ``limits.host_calls`` besides."""
_ENDED_S = 5.0
_LOOKS, _LOOK_AGAIN_S = 20, 0.005


class StartedProcess:
    """A process that can't read ``home``; ``missing`` are the parts of its wall that are not there.

    With sandboxes it reads the folder ``machine_code``.

    Raises:
        OSError, ChannelError: it can't be started.
    """

    def __init__(self, home: Path, limits: HostLimits, machine_code: Path) -> None:
        ours, theirs = socket.socketpair()
        self._channel, self._asked = Channel(ours), 0
        with theirs:
            nowhere = subprocess.DEVNULL
            try:
                self._child = subprocess.Popen(
                    own_program(_MODULE, str(theirs.fileno())),
                    stdin=nowhere, stdout=nowhere, stderr=nowhere,
                    pass_fds=[theirs.fileno()], env=without_secrets() | _ONE_THREAD,
                )  # fmt: skip
            except OSError:
                self._channel.close()
                raise
        self._tasks = Path(f"/proc/{self._child.pid}/task")
        path = [str(Path(entry).absolute()) for entry in sys.path]
        code = str(machine_code.absolute()) if limits.sandbox_megabytes else None
        memory = limits.megabytes + limits.sandbox_megabytes
        where = {"home": str(home.absolute()), "megabytes": memory, "machine_code": code}
        try:
            self._channel.send({"path": path, **where}, START_S)
            self.missing = [str(part) for part in self._channel.receive(START_S)["missing"]]
        except (ChannelError, LookupError, TypeError):
            self.end()
            raise ChannelError("it does not begin") from None
        self._threads = self._count_threads()

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._child.pid

    def ask(
        self, request: Mapping[str, Any], seconds: float, answers: Answerer | None = None
    ) -> dict[str, Any]:
        """The answer to ``request`` in ``seconds``; ``answers`` answers what is asked meanwhile.

        Raises:
            ChannelError: there is none; it has to be ended.
        """
        self._asked += 1
        until = time.monotonic() + seconds
        self._channel.send({"id": self._asked, **request}, seconds)
        answer = self._channel.receive(seconds)
        questions = 0
        while isinstance(answer, dict) and QUESTION in answer:
            if (questions := questions + 1) > MOST_QUESTIONS:
                raise ChannelError(f"it asked more than {MOST_QUESTIONS:,} times in one call")
            reply = reply_to(answer[QUESTION], answers or nobody(), _left(until))
            if time.monotonic() > until:
                raise ChannelError(f"the model did not answer it within {seconds:g} s", "slow")
            self._channel.send(reply, _left(until))
            answer = self._channel.receive(_left(until))
        if not isinstance(answer, dict) or answer.get("id") != self._asked:
            raise ChannelError("its answer is to another question")
        return answer

    def tell(self, message: Mapping[str, Any], seconds: float) -> None:
        """Send what has no answer. Raises as ``ask``."""
        self._channel.send(message, seconds)

    def works_on(self) -> bool:
        """Whether threads go on in it that were not there when it began."""
        for _ in range(_LOOKS):  # one that was joined takes a moment to be gone
            if self._count_threads() <= self._threads:
                return False
            time.sleep(_LOOK_AGAIN_S)
        return True

    def kill(self) -> None:
        """End it at once; ``end`` is still needed. Any thread may call it."""
        self._child.kill()

    def end(self) -> int | None:
        """End it; its exit status, if it has one by now."""
        self._channel.close()
        try:  # it may be ending by itself: then its status says more
            return self._child.wait(0.2)
        except subprocess.TimeoutExpired:
            self._child.kill()
            with suppress(subprocess.TimeoutExpired):  # the kernel holds it, as for a slow disk
                return self._child.wait(_ENDED_S)
            return None

    def _count_threads(self) -> int:
        """Its threads, as the system sees them; 0 where it does not tell."""
        with suppress(OSError):
            return len([*self._tasks.iterdir()])
        return 0


def _left(until: float) -> float:
    """Seconds until then, of which there are some: whoever waits for none would wait for ever."""
    return max(1e-3, until - time.monotonic())
