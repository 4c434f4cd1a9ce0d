"""A child process for what may never end, crash, or ask for all memory: a model's first trial.

The parent sends bytes and gets bytes, within limits of time, memory and size. The child has no
secrets in its environment, writes no file, and ends by itself if its parent is gone. It is no
sandbox: it can read what its user can read.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from fl_common.configuration.rules import above, require_fields
from fl_common.errors import BadInput, InvalidData
from fl_common.programs.own import own_program
from fl_common.telemetry import OFF

_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR")
_MOST_ANSWER = 256 << 20
_REFUSED = 3
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True)
class ChildLimits:
    """How long a child may take, and how much memory beyond what it has when it begins.

    Raises:
        InvalidConfiguration: a value that is not positive.
    """

    seconds: float
    megabytes: float

    def __post_init__(self) -> None:
        require_fields("trial", self, seconds=above(0), megabytes=above(0))


def run_confined(module: str, request: bytes, limits: ChildLimits, what: str = "model") -> bytes:
    """What our ``module``, which calls ``answer_confined``, answers to ``request`` as a child.

    ``what`` it is that is tried, for people.

    Raises:
        InvalidData: it refused, crashed, or went beyond a limit: which, and what it said.
        OSError: no child can be started; that says nothing of the request.
    """
    command = own_program(module, str(limits.seconds), str(limits.megabytes))
    with TemporaryFile() as answer:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env=without_secrets(),
        )
        try:
            child.communicate(request, timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            child.kill()
            child.wait()
        answer.seek(0)
        content = answer.read(_MOST_ANSWER)
    if child.returncode == 0:
        return content
    raise _failure(child.returncode, content, limits, what)


def without_secrets() -> dict[str, str]:
    """The environment of a child that runs somebody else's code: paths and language alone."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | OFF


def answer_confined(answer: Callable[[bytes], bytes]) -> None:
    """In the child: answer the request on standard input, within the limits that it was given."""
    seconds, megabytes = (float(text) for text in sys.argv[1:3])
    _confine(seconds, megabytes)
    try:
        content = answer(sys.stdin.buffer.read())
    except BadInput as error:
        content = json.dumps([error.value, error.rule, error.remedy]).encode()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        os._exit(_REFUSED)
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
    os._exit(0)  # a library that ends badly afterwards says nothing of the answer


def end_first() -> None:
    """Let the kernel end this process before others when memory is short (proc(5))."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def _confine(seconds: float, megabytes: float) -> None:
    """Limit this process; it can't lift these again."""
    end_first()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, _MOST_ANSWER)
    if _STATM.is_file():
        pages = int(_STATM.read_text().split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + int(megabytes * (1 << 20)))


def _limit(what: int, most: int) -> None:
    _, hardest = resource.getrlimit(what)
    most = most if hardest == resource.RLIM_INFINITY else min(most, hardest)
    with suppress(ValueError, OSError):  # of systems that do not have it
        resource.setrlimit(what, (most, most))


def _failure(status: int, content: bytes, limits: ChildLimits, what: str) -> InvalidData:
    if status == _REFUSED:
        with suppress(ValueError, TypeError):
            value, rule, remedy = (str(one)[:500] for one in json.loads(content))
            return InvalidData(value, rule, remedy)
    if status in (-signal.SIGKILL, -signal.SIGALRM):
        rule = f"did not end within {limits.seconds:g} s, or was killed for memory"
    else:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        rule = f"ended its process with {how}; it had {limits.megabytes:g} MB of memory"
    remedy = f"Publish another {what}, or raise the limit if this machine is slow or it is large"
    return InvalidData(f"the {what}", f"{rule} when it was tried", remedy)
