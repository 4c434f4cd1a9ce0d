"""``make function-runner``: build the runner component from its source, always to the same bytes.

What a machine leaves in the snapshot in spite of ``fixed`` are some bytes of memory that was freed:
the pin says where, and they are set to zero. The result must have the digest of the pin, so whoever
builds it sees that it is made of this source and nothing else.

    python -m fl_common.functions.runner.build          # unless it is there
    python -m fl_common.functions.runner.build --pin    # after a change: builds some, and pins

It needs componentize-py (extra ``dev``), and Linux on x86_64 with /dev/shm.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from fl_common.errors import BadInput, InvalidConfiguration
from fl_common.files.whole import write_whole
from fl_common.functions.runner import FOLDER, PIN, RUNNER, pin, runner_content
from fl_common.programs.own import own_program

_CONTRACT = FOLDER.parent / "contract.wit"
_WIT, _GUEST = FOLDER / "runner.wit", "runner_guest"
_NO_PACKAGES = "environment"
_SECONDS = 600
_BUILDS = 8
"""How many are compared for a new pin."""
_MEMORY = Path("/dev/shm")
"""A file system that lists a folder in one order everywhere: that of making its files (tmpfs)."""


def build() -> bytes:
    """The runner, as the pin has it.

    Raises:
        InvalidConfiguration: it can't be built here, or comes out otherwise.
    """
    content, pinned = bytearray(_built()), pin()
    for begin, length in pinned.remnants:
        content[begin : begin + length] = bytes(length)
    if hashlib.sha256(content).hexdigest() != pinned.sha256:
        raise InvalidConfiguration(
            f"the runner of functions, {len(content):,} bytes",
            f"is not the one that is pinned ({pinned.sha256[:12]}, {pinned.bytes:,} bytes)",
            "Take the versions of constraints.txt; after a change of its source, pin it anew"
            " (CONTRIBUTING.md)",
        )
    return bytes(content)


def pin_anew() -> None:
    """Build several, find what differs between them, and write runner and pin."""
    first, *others = (_built() for _ in range(_BUILDS))
    remnants, content = remnants_of(first, others), bytearray(first)
    for begin, length in remnants:
        content[begin : begin + length] = bytes(length)
    fields = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "remnants": remnants,
    }
    write_whole(PIN, (json.dumps(fields) + "\n").encode())
    write_whole(RUNNER, bytes(content))


def remnants_of(first: bytes, others: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where builds differ, as (begin, length).

    Raises:
        InvalidConfiguration: they have not one length, so it is no matter of some bytes.
    """
    if {len(first)} != {len(other) for other in others}:
        raise InvalidConfiguration(
            "the runner of functions",
            f"has {sorted({len(first), *map(len, others)})} bytes from build to build",
            "See what fl_common.functions.runner.fixed does not hold still",
        )
    differ = [n for n in range(len(first)) if any(first[n] != other[n] for other in others)]
    runs = groupby(enumerate(differ), lambda pair: pair[1] - pair[0])
    return [(run[0][1], len(run)) for run in ([*group] for _, group in runs)]


def _built() -> bytes:
    is_fit = platform.system() == "Linux" and platform.machine() == "x86_64"
    if not is_fit or not os.access(_MEMORY, os.W_OK):
        raise InvalidConfiguration(
            f"this machine, {platform.system()} on {platform.machine()}",
            "can't build the runner of functions",
            "Take a wheel of this project, which has it; it is built on Linux on x86_64 with"
            " /dev/shm",
        )
    with TemporaryDirectory(dir=_MEMORY) as folder:
        source = Path(folder)
        _lay_out(source)
        return _made(source)


def _lay_out(source: Path) -> None:
    """Put what the runner is made of into the folder ``source``."""
    wit = source / "wit"
    wit.mkdir()
    shutil.copy(_CONTRACT, wit)
    own = _WIT.read_text("utf-8").partition("\n")[2]  # the package is named once
    (wit / _WIT.name).write_text(own, "utf-8")
    shutil.copy(FOLDER / "guest" / f"{_GUEST}.py", source)
    (source / _NO_PACKAGES / "lib" / "python3" / "site-packages").mkdir(parents=True)


def _made(source: Path) -> bytes:
    command = own_program(
        "fl_common.functions.runner.fixed", "-q", "-d", "wit", "-w", "runner",
        "componentize", "--stub-wasi", "-p", ".", _GUEST, "-o", "made.wasm",
    )  # fmt: skip
    places = {"VIRTUAL_ENV": str(source / _NO_PACKAGES), "TMPDIR": str(source)}
    environment = {"PATH": "/nowhere", **places}
    done = subprocess.run(
        command, cwd=source, env=environment, capture_output=True, timeout=_SECONDS, check=False
    )
    made = source / "made.wasm"
    if done.returncode or not made.is_file():
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no word"]
        raise InvalidConfiguration(
            "the runner of functions",
            f"can't be built ({last[0][:300]})",
            'Install what builds it: pip install -c constraints.txt -e ".[dev]"',
        )
    return made.read_bytes()


def main() -> None:
    """See the module."""
    if sys.argv[1:] == ["--pin"]:
        pin_anew()
    else:
        try:
            runner_content()
            return
        except BadInput:
            write_whole(RUNNER, build())
    sys.stdout.write(f"{RUNNER}: {RUNNER.stat().st_size:,} bytes, sha256 {pin().sha256}\n")


if __name__ == "__main__":
    try:
        main()
    except BadInput as error:
        sys.exit(str(error))
