"""The runner: one WebAssembly component that runs the source text of any function in Python.

``guest`` is its source, ``build`` makes it (``make function-runner``), and the pin says which bytes
must come out. It is not in git: a wheel of this project has it, and ``make setup`` builds it.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fl_common.errors import InvalidConfiguration

FOLDER = Path(__file__).parent
RUNNER, PIN = FOLDER / "runner.wasm", FOLDER / "pin.json"


@dataclass(frozen=True)
class Pin:
    """The one runner of this version: its digest, its size, and where builds leave remnants."""

    sha256: str
    bytes: int
    remnants: tuple[tuple[int, int], ...]


@lru_cache(maxsize=1)
def pin() -> Pin:
    """The pin."""
    fields = json.loads(PIN.read_text("utf-8"))
    remnants = tuple((begin, length) for begin, length in fields["remnants"])
    return Pin(fields["sha256"], fields["bytes"], remnants)


@lru_cache(maxsize=1)
def runner_content() -> bytes:
    """The runner, which has the digest of the pin.

    Raises:
        InvalidConfiguration: it is missing here, or another.
    """
    try:
        content = RUNNER.read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != pin().sha256:
        raise InvalidConfiguration(
            f"the runner of functions in Python, {RUNNER}",
            "is not the one that is pinned" if content else "is missing",
            "Build it: make function-runner, or python -m fl_common.functions.runner.build",
        )
    return content
