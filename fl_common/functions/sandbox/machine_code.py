"""Machine code of components: made on this machine, by Cranelift, and kept in files of its own.

wasmtime loads machine code without looking into it, so whoever can write it can do anything. It is
never fetched: it is made here, in a process that runs nothing of anybody's, and written with mode
600 into a folder that the functions' process only reads. A file's name is a hash of the component,
of wasmtime's version, of the settings below and of the processor, so none is used for another.
"""

import hashlib
import threading
import time
from functools import lru_cache
from pathlib import Path

import wasmtime
from wasmtime.component import Component

from fl_common.errors import InvalidData
from fl_common.functions.sandbox.key import (
    SETTINGS,
    is_whole,
    machine_code_path,
    write_machine_code,
)

_TICK_S = 0.01
_IDLE_S = 1.0


@lru_cache(maxsize=1)
def engine() -> wasmtime.Engine:
    """The engine of this process."""
    configuration = wasmtime.Config()
    for name, value in SETTINGS.items():
        setattr(configuration, name, value)
    return wasmtime.Engine(configuration)


def check_component(content: bytes) -> None:
    """Raise InvalidData unless it begins as a component of WebAssembly does."""
    if content[:8] != b"\0asm\x0d\0\1\0":
        raise InvalidData(
            f"a file that begins with {content[:8]!r}",
            "is no component of WebAssembly",
            "Build one of the contract's worlds: a core module has to be made into a component",
        )


def compiled(content: bytes) -> Component:
    """The component, by a compilation that may take half a minute for the Python runner.

    Raises:
        InvalidData: it is none, or of no kind that runs here.
    """
    check_component(content)
    try:
        return Component(engine(), content)
    except wasmtime.WasmtimeError as error:
        words = " ".join(str(error).split())[:300]
        raise InvalidData(
            "the component", f"can't be compiled ({words})", "Build it anew"
        ) from None


def load(path: Path) -> Component | None:
    """The component whose machine code is the file ``path``; None if it is not there, or broken."""
    try:
        return Component.deserialize_file(engine(), str(path)) if path.is_file() else None
    except wasmtime.WasmtimeError:  # it was cut short by a power cut, or altered
        return None


def component_of(content: bytes, folder: Path) -> Component:
    """The component, from its machine code in ``folder``, which is made if it is not there.

    Raises:
        InvalidData: see ``compiled``.
        OSError: it can't be written.
    """
    path = machine_code_path(folder, hashlib.sha256(content).hexdigest())
    found = load(path) if is_whole(path) else None
    if found is None:
        found = compiled(content)
        write_machine_code(path, bytes(found.serialize()))
    return found


class Ticker:
    """Advances the engine's epoch, by which a call that lasts too long is stopped."""

    def __init__(self) -> None:
        self._until = 0.0
        self._wake = threading.Event()
        threading.Thread(target=self._run, name="epochs", daemon=True).start()

    def ticks(self, milliseconds: float) -> int:
        """So many ticks last for ``milliseconds`` at least; it ticks from now on, as long."""
        self._until = time.monotonic() + milliseconds / 1000 + _IDLE_S
        self._wake.set()
        return int(milliseconds / 1000 / _TICK_S) + 2

    def _run(self) -> None:
        while True:
            if time.monotonic() > self._until:
                self._wake.clear()
                if time.monotonic() > self._until:
                    self._wake.wait()
            engine().increment_epoch()
            time.sleep(_TICK_S)


@lru_cache(maxsize=1)
def ticker() -> Ticker:
    """That of this process."""
    return Ticker()
