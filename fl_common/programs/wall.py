"""The wall around a process that runs what somebody else wrote: what that can't do.

- Files: Landlock (landlock(7), Linux 5.13) leaves it what Python needs to read, and nothing to
  write: not the site's data, not other processes' or temporary files.
- System calls: a seccomp filter (seccomp(2)) refuses sockets, programs and processes, signals and
  traces, watches of folders, changes of files' owners and modes, the clock, what administers a
  machine, and every call that was not known when its list was made.
- Resources: no core, no file, limited memory, a lower priority, and the first to end where memory
  is short.

It can't be lifted again, and is built before any code of a function is imported. There is no
maintained package of either interface, so it calls the kernel as the manual pages say.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fl_common.programs.limited_child import end_first
from fl_common.programs.system_calls import (
    AUDIT_ARCHITECTURES,
    IN_PART,
    LAST_KNOWN,
    NUMBERS,
    OPTIONS,
)

_NICE = 5
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_FILTER = 2
_STATM = Path("/proc/self/statm")
_NEEDED = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo",
    "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom", "/sys/devices/system/cpu",
)  # fmt: skip
"""What Python and its packages read beside their own folders."""
_CODE = (".py", ".so", ".pyd")

_CAPABILITY_VERSION, _DAC_READ_SEARCH = 0x20080522, 1 << 2  # capset(2), capabilities(7)

# Numbers of landlock(7).
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_FOLDER, _PATH_BENEATH = 1 << 2, 1 << 3, 1
_ALL_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_CONNECT_AND_BIND, _SCOPES = 3, 3


def shut_in(
    home: Path, megabytes: float, most_written: int = 0, own: tuple[Path, ...] = ()
) -> list[str]:
    """Build the wall around this process, which must have one thread; ``home`` is unreadable.

    But for the folders ``own``. It writes no more than ``most_written`` bytes to what is open.

    Returns the parts that this machine can't build: ``files``, ``system calls``.
    """
    end_first()
    with suppress(OSError):
        os.nice(_NICE)
    if sys.platform != "linux":
        return ["files", "system calls"]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, most_written)
    if _STATM.is_file():
        pages = int(_STATM.read_text().split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + int(megabytes * (1 << 20)))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _give_up_capabilities(libc)
    built = {"files": _shut_files(libc, home, own), "system calls": _shut_calls(libc)}
    return [part for part, stands in built.items() if not stands]


def _give_up_capabilities(libc: ctypes.CDLL) -> None:
    """Of a process of root's: keep none but that to read what others own, among files left."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    low = struct.pack("=3I", _DAC_READ_SEARCH, _DAC_READ_SEARCH, 0)
    libc.capset(header, low + bytes(12))


def readable(home: Path) -> Iterator[tuple[Path, bool]]:
    """What may be read, whole; False: of a folder, only the names in it.

    Of a folder that modules are imported from, and that is not Python's own, only the code: the
    site's data may lie beside it.
    """
    homes = {home.resolve(), *home.resolve().parents}
    own = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix)}
    own |= {Path(place).resolve() for place in sysconfig.get_paths().values()}
    own |= {Path(place) for place in _NEEDED}
    for place in own - homes:
        if place != Path("/"):
            yield place, True
    for place in {Path(entry).resolve() for entry in sys.path if entry} | (own & homes):
        if any(place.is_relative_to(one) for one in own - homes):
            continue
        yield place, False
        yield from ((child, True) for child in _code_in(place) if child not in homes)


def _code_in(folder: Path) -> Iterator[Path]:
    """Modules and packages in a folder."""
    with suppress(OSError):
        for child in folder.iterdir():
            is_package = child.is_dir() and any(child.glob("*.py"))
            if child.suffix in _CODE or child.name.endswith("-info") or is_package:
                yield child.resolve()


def _shut_files(libc: ctypes.CDLL, home: Path, own: tuple[Path, ...]) -> bool:
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    files = max(mask for since, mask in _ALL_FILES.items() if since <= version)
    fields = [files, *([_CONNECT_AND_BIND] if version >= 4 else []),
              *([_SCOPES] if version >= 6 else [])]  # fmt: skip
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return False
    try:
        for place, whole in (*readable(home), *((folder, True) for folder in own)):
            _allow(libc, rules, place, whole)
        return bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, place: Path, whole: bool) -> None:
    with suppress(OSError):  # it is not there
        opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            rights = _READ_FILE if whole else 0
            if place.is_dir():
                rights |= _READ_FOLDER
            rule = struct.pack("=Qi", rights, opened)
            libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
        finally:
            os.close(opened)


# Numbers of seccomp(2) and linux/filter.h.
_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_AT = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_X32 = 0x40000000
_CLONE_THREAD = 0x00010000
_NEW_LIMIT = 2  # an argument of prlimit64


def _step(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)


_REFUSED, _UNKNOWN = _step(_RETURN, _ERROR | _EPERM), _step(_RETURN, _ERROR | _ENOSYS)


def _shut_calls(libc: ctypes.CDLL) -> bool:
    machine = platform.machine()
    if machine not in AUDIT_ARCHITECTURES:
        return False
    program = b"".join(_filter(machine))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("content", ctypes.c_char_p))

    given = Program(len(program) // 8, program)
    return bool(libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(given), 0, 0) == 0)


def _filter(machine: str) -> Iterator[bytes]:
    """The instructions: refuse what is listed, other architectures, and calls yet unknown."""
    numbers = IN_PART[machine]
    yield _step(_LOAD, _ARCHITECTURE_AT)
    yield from (_step(_EQUAL, AUDIT_ARCHITECTURES[machine], 1, 0), _REFUSED)
    yield _step(_LOAD, _NUMBER_AT)
    yield from (_step(_AT_LEAST, _X32, 0, 1), _REFUSED)
    yield from (_step(_AT_LEAST, LAST_KNOWN + 1, 0, 1), _UNKNOWN)
    for name, number in sorted(NUMBERS[machine].items()):
        yield from (_step(_EQUAL, number, 0, 1), _UNKNOWN if name == "clone3" else _REFUSED)
    for name, (argument, values) in OPTIONS.items():
        refused = [part for value in values for part in (_step(_EQUAL, value, 0, 1), _REFUSED)]
        yield from _only_for(numbers[name], [_argument(argument), *refused])
    are_zero = _step(_EQUAL, 0, 0, 2), _argument(_NEW_LIMIT, 4), _step(_EQUAL, 0, 1, 0)
    yield from _only_for(  # limits are read
        numbers["prlimit64"], [_argument(_NEW_LIMIT), *are_zero, _REFUSED]
    )
    threads = _step(_HAS_BITS, _CLONE_THREAD, 1, 0)  # and no processes
    yield from _only_for(numbers["clone"], [_argument(0), threads, _REFUSED])
    yield _step(_RETURN, _ALLOW)


def _only_for(number: int, steps: list[bytes]) -> Iterator[bytes]:
    """Do ``steps`` for this call alone, and load its number again."""
    yield _step(_EQUAL, number, 0, len(steps) + 1)
    yield from (*steps, _step(_LOAD, _NUMBER_AT))


def _argument(number: int, at: int = 0) -> bytes:
    """Load four bytes of an argument; ``at`` 4: the upper ones, as both machines have them."""
    return _step(_LOAD, _FIRST_AT + 8 * number + at)


def _limit(what: int, most: int) -> None:
    _, hardest = resource.getrlimit(what)
    most = most if hardest == resource.RLIM_INFINITY else min(most, hardest)
    with suppress(ValueError, OSError):  # of systems that do not have it
        resource.setrlimit(what, (most, most))
