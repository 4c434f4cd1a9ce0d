"""Machine code of components: made on this machine, by Cranelift, and kept in files of its own.

wasmtime loads machine code without looking into it, so whoever can write it can do anything. It is
never fetched: it is made here, in a process that runs nothing of anybody's, and written with mode
600 into a folder that the functions' process only reads. A file's name is a hash of the component,
of wasmtime's version, of the settings below and of the processor, so none is used for another.
"""

import hashlib
import platform
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime.component import Component

from fl_common.errors import InvalidData
from fl_common.files.whole import OWNER_ONLY, make_folder, write_whole

_SETTINGS: Mapping[str, Any] = {
    "strategy": "cranelift",  # and never Winch, which had escapes
    "cranelift_opt_level": "speed",
    "cranelift_nan_canonicalization": True,  # the same bytes on every processor
    "consume_fuel": True,
    "epoch_interruption": True,
    "wasm_threads": False,
    "wasm_memory64": False,
    "wasm_relaxed_simd": False,
    "max_wasm_stack": 1 << 20,
    # Address space of a process is limited: a memory takes what it has, and moves as it grows.
    "memory_reservation": 0,
    "memory_reservation_for_growth": 4 << 20,
    "memory_guard_size": 0,
    "memory_may_move": True,
    "memory_init_cow": False,  # it would need a file, and the functions' process writes none
}
_TICK_S = 0.01
_IDLE_S = 1.0
_SUFFIX = ".machine"


@lru_cache(maxsize=1)
def engine() -> wasmtime.Engine:
    """The engine of this process."""
    configuration = wasmtime.Config()
    for name, value in _SETTINGS.items():
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


def key_of(content: bytes) -> str:
    """The name of its machine code."""
    facts = [version("wasmtime"), sorted(_SETTINGS.items()), platform.machine(), _processor()]
    return hashlib.sha256(hashlib.sha256(content).digest() + repr(facts).encode()).hexdigest()


def load(folder: Path, content: bytes) -> Component | None:
    """The component from its machine code in ``folder``; None if it is not there."""
    path = folder / f"{key_of(content)}{_SUFFIX}"
    try:
        return Component.deserialize_file(engine(), str(path)) if path.is_file() else None
    except wasmtime.WasmtimeError:  # it was cut short by a power cut, or altered
        return None


def store(folder: Path, content: bytes, component: Component) -> Path:
    """Write a component's machine code into ``folder``, whole or not at all, mode 600.

    Raises:
        OSError: it can't be written.
    """
    make_folder(folder, 0o700)
    path = folder / f"{key_of(content)}{_SUFFIX}"
    write_whole(path, bytes(component.serialize()), OWNER_ONLY)
    return path


def component_of(content: bytes, folder: Path) -> Component:
    """The component, from its machine code in ``folder``, which is made if it is not there.

    Raises:
        InvalidData: see ``compiled``.
        OSError: it can't be written.
    """
    found = load(folder, content)
    if found is None:
        found = compiled(content)
        store(folder, content, found)
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


@lru_cache(maxsize=1)
def _processor() -> str:
    """What the processor can do, as Linux says."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    facts = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.partition("\t")[0].strip() in facts}))
