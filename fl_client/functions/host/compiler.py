"""Keeps the machine code of a box's components, which are compiled apart (``compile_apart``).

It takes half a minute and half a gigabyte for the Python runner, once for each version of it, so
it is done beside the sensing thread, and before the functions' process needs it. What it makes is
kept in the box's folder: ``fl_common.functions.sandbox.key`` says by which names.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fl_client.functions.host import FunctionSource, SandboxedSource
from fl_common.errors import InvalidData
from fl_common.functions.compiling import (
    COMPONENT_MEGABYTES,
    COMPONENT_SECONDS,
    RUNNER_LIMITS,
    compile_apart,
)
from fl_common.functions.sandbox.key import is_whole, machine_code_path, write_machine_code
from fl_common.programs.limited_child import ChildLimits

_logger = logging.getLogger(__name__)
MACHINE_CODE = "machine-code"
"""The folder of machine code in a box's folder."""
_AGAIN_S = 600.0
"""After which a component that can't be compiled is tried again: memory may have been short."""


class Compiler:
    """Keeps the machine code of the box in ``home``; any thread may call it.

    A component may take as many ``megabytes`` to be compiled as all functions in sandboxes may, and
    ``COMPONENT_MEGABYTES`` at least; the runner what is known of it. ``clock`` gives seconds.
    """

    def __init__(
        self, home: Path, megabytes: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._home, self._turn, self._clock = home, threading.Lock(), clock
        self._megabytes = megabytes
        self._refused: dict[str, tuple[float, InvalidData]] = {}
        self._whole: dict[Path, tuple[int, ...]] = {}
        self.folder = home / MACHINE_CODE
        """Its machine code."""

    def node_of(self, source: FunctionSource) -> Mapping[str, Any]:
        """What the functions' process is told of a source, whose machine code there is then.

        Raises:
            InvalidData: it can't be compiled.
            OSError: it can't be read, or written.
        """
        sandboxed = source.sandboxed
        if sandboxed is None:
            return source.node
        code = str(self.machine_code(sandboxed).absolute())
        given = {"fields": sandboxed.fields, "source": sandboxed.source, "machine_code": code}
        return {"sandboxed": given}

    def has(self, source: SandboxedSource) -> bool:
        """Whether the machine code is there, whole."""
        return self._is_whole(machine_code_path(self.folder, source.digest))

    def machine_code(self, source: SandboxedSource) -> Path:
        """The file with the machine code of what runs ``source``, which is made if need be.

        Raises:
            InvalidData: it can't be compiled.
            OSError: it can't be read, or written.
        """
        path = machine_code_path(self.folder, source.digest)
        if not self._is_whole(path):
            with self._turn:
                if not self._is_whole(path):
                    self._compile_once(source, path)
        return path

    def _is_whole(self, path: Path) -> bool:
        """Whether a file is as it was written: wasmtime runs what it loads without a look into it.

        Its bytes are read once, and again when it is another file.
        """
        try:
            found = path.stat()
            now = found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
            if self._whole.get(path) == now:
                return True
        except OSError:
            return False
        if not is_whole(path):
            _logger.warning("%s was altered, or cut short; it is made anew", path)
            return False
        self._whole[path] = now
        return True

    def _compile_once(self, source: SandboxedSource, path: Path) -> None:
        """Compile, unless that failed a short time ago: a bomb may hold up others but once."""
        failed_at, error = self._refused.pop(source.digest, (0.0, None))
        if error is not None and self._clock() - failed_at < _AGAIN_S:
            self._refused[source.digest] = failed_at, error
            raise error
        try:
            self._compile(source, path)
        except InvalidData as error:
            self._refused[source.digest] = self._clock(), error
            raise

    def _compile(self, source: SandboxedSource, path: Path) -> None:
        began = time.monotonic()
        content = source.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != source.digest:
            raise InvalidData(f"{source.path}", "was altered", "It is fetched again")
        _logger.info("%s is compiled, once: functions that need it wait", source.path.name)
        limits = ChildLimits(COMPONENT_SECONDS, max(COMPONENT_MEGABYTES, self._megabytes))
        limits = RUNNER_LIMITS if source.source is not None else limits
        write_machine_code(path, compile_apart(content, self._home, limits))
        _logger.info("%s was compiled in %.1f s", source.path.name, time.monotonic() - began)
