"""How components are compiled, and the names of their machine code's files; needs no wasmtime."""

import hashlib
import os
import platform
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fl_common.files.whole import OWNER_ONLY, make_folder, sha256_of, write_whole

SETTINGS: Mapping[str, Any] = {
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
"""Of the engine."""


def machine_code_path(folder: Path, digest: str) -> Path:
    """Where the machine code of the component with this SHA-256 is, or would be."""
    return folder / f"{_key(digest)}.machine"


def write_machine_code(path: Path, machine_code: bytes) -> None:
    """Write machine code, whole or not at all, mode 600, and its SHA-256 beside it.

    Raises:
        OSError: it can't be written.
    """
    make_folder(path.parent, 0o700)
    write_whole(path, machine_code, OWNER_ONLY)
    write_whole(_digest_of(path), hashlib.sha256(machine_code).hexdigest().encode(), OWNER_ONLY)


def is_whole(path: Path) -> bool:
    """Whether machine code is there as it was written: wasmtime does not look into it."""
    try:
        return _digest_of(path).read_bytes().decode() == sha256_of(path)
    except (OSError, ValueError):
        return False


def copy_machine_code(source: Path, folder: Path) -> None:
    """Copy all that is whole in the folder ``source`` of this machine, each with its SHA-256."""
    make_folder(folder, 0o700)
    for path in filter(is_whole, source.glob("*.machine")):
        for file in (path, _digest_of(path)):
            write_whole(folder / file.name, file.read_bytes(), OWNER_ONLY)


def _digest_of(path: Path) -> Path:
    return path.with_suffix(".sha256")


def own_cache() -> Path:
    """Where machine code is kept for a person's own use; a box has it in its own folder."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "join-the-dots" / "machine-code"


@lru_cache(maxsize=256)
def _key(digest: str) -> str:
    """What machine code hangs on; asked for at each call of a function, it takes half of that."""
    facts = [digest, version("wasmtime"), sorted(SETTINGS.items()), platform.machine()]
    return hashlib.sha256(repr([*facts, _processor()]).encode()).hexdigest()


@lru_cache(maxsize=1)
def _processor() -> str:
    """What the processor can do, as Linux says."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    facts = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.partition("\t")[0].strip() in facts}))
