"""Run componentize-py where it finds the same clock, the same random numbers and no file times.

It takes a snapshot of Python's memory, with the seed of its hashes and whatever else was in it, so
two builds differ by what the machine told them (bytecodealliance/componentize-py, issue 247). Here
the calls by which its library asks for that are replaced, in this process, by a few instructions of
x86_64. Run as a program, with componentize-py's own arguments.
"""

import ctypes
import mmap
import struct
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

_EPOCH = 946684800
_READ_WRITE = 3
_PAGE = 4096
_RELA, _SECTION, _SYMBOL = 4, struct.Struct("<2I4Q2I2Q"), 24
_TIMES_OF_STATX = (0x20, *range(0x40, 0x80, 8))
"""The inode, and the four times of struct statx (statx(2))."""


def _random() -> bytes:
    """``getrandom(2)``: fill the buffer with one number."""
    return bytes.fromhex("4889f1 b02a f3aa 4889f0 c3")


def _clock() -> bytes:
    """``clock_gettime(2)``: it is always the year 2000."""
    seconds = struct.pack("<i", _EPOCH)
    return bytes.fromhex("48c706") + seconds + bytes.fromhex("48c7460800000000 31c0 c3")


def _statx(real: int) -> bytes:
    """``statx(2)``: call the real one, and put zeros where the times are."""
    zeros = b"".join(bytes((0x49, 0xC7, 0x40, at, 0, 0, 0, 0)) for at in _TIMES_OF_STATX)
    return (
        bytes.fromhex("4150 48b8")
        + struct.pack("<Q", real)
        + bytes.fromhex("ffd0 4158")
        + (zeros + b"\xc3")
    )


def _places(library: Path) -> dict[str, list[int]]:
    """Where a library's file has the addresses of functions, by their names (ELF, System V ABI)."""
    content = library.read_bytes()
    (table,) = struct.unpack_from("<Q", content, 40)
    size, count, _ = struct.unpack_from("<3H", content, 58)
    sections = [_SECTION.unpack_from(content, table + number * size) for number in range(count)]
    found: dict[str, list[int]] = {}
    for section in (one for one in sections if one[1] == _RELA):
        symbols = sections[section[6]]
        names = sections[symbols[6]]
        for at in range(section[4], section[4] + section[5], 24):
            offset, information = struct.unpack_from("<2Q", content, at)
            if symbol := information >> 32:
                (name,) = struct.unpack_from("<I", content, symbols[4] + symbol * _SYMBOL)
                begin = names[4] + name
                text = content[begin : content.index(b"\0", begin)].decode()
                found.setdefault(text.partition("@")[0], []).append(offset)
    return found


def _replace(library: Path, addresses: Mapping[str, int]) -> None:
    """Let the loaded ``library`` call other functions."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    base = min(int(line.split("-")[0], 16) for line in maps if str(library) in line)
    places, libc = _places(library), ctypes.CDLL(None)
    for name, address in addresses.items():
        for offset in places[name]:
            at = base + offset
            libc.mprotect(ctypes.c_void_p(at & -_PAGE), _PAGE, _READ_WRITE)
            ctypes.c_uint64.from_address(at).value = address


def main() -> None:
    """Replace, and run."""
    program = import_module("componentize_py.componentize_py")  # it is there to build, no more
    libc = ctypes.CDLL("libc.so.6")
    code = mmap.mmap(-1, _PAGE, prot=7)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(code))
    real = ctypes.cast(libc.statx, ctypes.c_void_p).value or 0
    new = {}
    for number, (name, content) in enumerate(
        {"getrandom": _random(), "clock_gettime": _clock(), "statx": _statx(real)}.items()
    ):
        code[256 * number : 256 * number + len(content)] = content
        new[name] = begin + 256 * number
    kind = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
    look_up = kind(ctypes.cast(libc.dlsym, ctypes.c_void_p).value or 0)

    def found(handle: int | None, name: bytes) -> int | None:
        """What ``dlsym(3)`` answers."""
        return new.get(name.decode()) or look_up(handle, name)

    asked = kind(found)
    found_at = ctypes.cast(asked, ctypes.c_void_p).value or 0
    _replace(Path(program.__file__ or ""), {**new, "dlsym": found_at})
    sys.argv[0] = "componentize-py"
    program.script()


if __name__ == "__main__":
    main()
