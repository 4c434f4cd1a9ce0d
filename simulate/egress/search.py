"""Search of bytes for sentinels: plain, inside base64 and hexadecimal, and compressed."""

import binascii
import bz2
import contextlib
import lzma
import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from simulate.egress.sentinels import Pattern

_DEPTH = 4
"""Maximum depth of nested wrappings that are opened."""
_MOST_BYTES = 64 * 2**20
"""Compressed data is opened up to this size, as protection against decompression bombs."""
_HEX = re.compile(rb"[0-9A-Fa-f]{8,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\-_][A-Za-z0-9+/\-_\r\n]{4,}[A-Za-z0-9+/\-_]")
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_GZIP = re.compile(rb"\x1f\x8b\x08")
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
_XZ = re.compile(rb"\xfd7zXZ\x00|\x5d\x00\x00")


@dataclass(frozen=True)
class Hit:
    """``pattern`` is in the bytes at ``offset``, inside the wrappings ``inside`` (outer first).

    The offset is that of the outermost wrapping.
    """

    pattern: Pattern
    inside: tuple[str, ...]
    offset: int


def search(data: bytes, patterns: Sequence[Pattern], depth: int = _DEPTH) -> list[Hit]:
    """The first place of each pattern, plain or in each wrapping."""
    hits = [
        Hit(pattern, (), offset)
        for pattern in patterns
        if (offset := data.find(pattern.needle)) >= 0
    ]
    if depth:
        for name, offset, content in _opened(data):
            for hit in search(content, patterns, depth - 1):
                hits.append(Hit(hit.pattern, (name, *hit.inside), offset))
    return list({(hit.pattern, hit.inside): hit for hit in reversed(hits)}.values())[::-1]


def _opened(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Each part of ``data`` that could be wrapped: the wrapping, its offset, its content."""
    for name, start, open_ in _OPENERS:
        for match in start.finditer(data):
            for content in open_(data, match):
                if content:
                    yield name, match.start(), content


def _from_hex(data: bytes, match: re.Match[bytes]) -> Iterator[bytes]:
    """Both ways to pair the digits."""
    digits = match[0]
    for first in (0, 1):
        yield binascii.unhexlify(digits[first : first + (len(digits) - first) // 2 * 2])


def _from_base64(data: bytes, match: re.Match[bytes]) -> Iterator[bytes]:
    """All four ways to group the letters, of both alphabets, across line ends."""
    letters = match[0].translate(bytes.maketrans(b"-_", b"+/"), b"\r\n")
    for first in range(4):
        group = letters[first:]
        whole = len(group) - (len(group) % 4 == 1)  # one letter alone holds no byte
        yield b64decode(group[:whole] + b"=" * (-whole % 4))


def _decompressed(make: Callable[[], "_Decompressor"]) -> "_Opener":
    def open_(data: bytes, match: re.Match[bytes]) -> Iterator[bytes]:
        with contextlib.suppress(zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
            yield make().decompress(data[match.start() :], _MOST_BYTES)

    return open_


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_Opener = Callable[[bytes, re.Match[bytes]], Iterator[bytes]]
_OPENERS: tuple[tuple[str, re.Pattern[bytes], _Opener], ...] = (
    ("hexadecimal", _HEX, _from_hex),
    ("base64", _BASE64, _from_base64),
    ("zlib", _ZLIB, _decompressed(zlib.decompressobj)),
    ("gzip", _GZIP, _decompressed(lambda: zlib.decompressobj(16 + zlib.MAX_WBITS))),
    ("bzip2", _BZIP2, _decompressed(bz2.BZ2Decompressor)),
    ("xz", _XZ, _decompressed(lzma.LZMADecompressor)),
)
