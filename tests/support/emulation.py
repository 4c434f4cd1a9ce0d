"""Programs of 64-bit ARM on this machine: QEMU, as the kernel's handler of their files."""

import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.docker import can_not

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_HANDLER = _BINFMT / "qemu-aarch64"


@contextmanager
def arm64_programs() -> Iterator[None]:
    """While it is entered, programs of ARM run; what was set up for that is undone.

    Skips where they can't, but not in CI. A handler that is there already is used and stays.
    """
    if platform.machine() == "aarch64" or _HANDLER.exists():
        yield
        return
    for program in ("qemu-aarch64-static", "update-binfmts"):
        if shutil.which(program, path="/usr/bin:/usr/sbin") is None:
            can_not("needs the Debian packages qemu-user-static and binfmt-support")
    mounted = not (_BINFMT / "register").exists()
    if mounted:
        _run("mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT))
    try:
        _run("/usr/sbin/update-binfmts", "--enable", "qemu-aarch64")
        yield
        _run("/usr/sbin/update-binfmts", "--disable", "qemu-aarch64")
    finally:
        if mounted:
            _run("umount", str(_BINFMT))


def processor_of_arm(path: Path) -> tuple[str, ...]:
    """Options of ``docker run`` for an emulated container that runs models; writes ``path``.

    QEMU 7.2 shows a program of ARM this machine's /proc/cpuinfo, and ONNX Runtime crashes on it.
    """
    if platform.machine() == "aarch64":
        return ()
    lines = ["processor\t: 0", "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32"]
    lines += ["CPU implementer\t: 0x41", "CPU architecture: 8", "CPU variant\t: 0x0"]
    lines += ["CPU part\t: 0xd08", "CPU revision\t: 3", "", ""]  # a Cortex-A72
    path.write_text("\n".join(lines))
    return ("--volume", f"{path}:/proc/cpuinfo:ro")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        can_not(f"no program of ARM can run here: {' '.join(command)}: {done.stderr.strip()}")
