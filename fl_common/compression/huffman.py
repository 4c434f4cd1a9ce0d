"""Bytes in fewer bytes, nothing lost: Huffman's code in zlib's format (RFC 1950, 1951).

Codes of an update are many small numbers and few large ones, so a byte holds less than eight bits
of them. They do not repeat, so zlib is told not to look for that, which makes it several times
faster.
"""

import zlib
from typing import Final

_FORMAT: Final = 15
"""zlib's own, with a checksum at its end."""
_MEMORY: Final = 9
"""The most that zlib takes (256 KiB), for the longest blocks that share one code."""


def compress(data: bytes) -> bytes:
    """``data`` as ``restore`` reads it; where it can't be shortened, a little longer."""
    way = zlib.compressobj(1, zlib.DEFLATED, _FORMAT, _MEMORY, zlib.Z_HUFFMAN_ONLY)
    return way.compress(data) + way.flush()


def decompress(data: bytes, most: int) -> bytes:
    """What ``shorten`` was given, of at most ``most`` bytes: no more are made of any ``data``.

    Raises:
        ValueError: it is longer, or ``data`` is not whole, or something follows it.
    """
    way = zlib.decompressobj(_FORMAT)
    try:
        found = way.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"{len(data)} bytes can't be restored: {error}") from error
    if len(found) > most:
        raise ValueError(f"{len(data)} bytes are more than {most} when restored")
    if not way.eof or way.unused_data:
        raise ValueError(f"{len(data)} bytes are not whole, or have others after them")
    return found
