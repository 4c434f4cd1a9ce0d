"""Lossless compression of bytes: Huffman coding in zlib's format (RFC 1950, 1951).

An update's codes are many small numbers and few large ones, with less than eight bits of entropy
per byte. They have no repeated strings, so zlib's search for these is off, which makes it several
times faster.
"""

import zlib
from typing import Final

_FORMAT: Final = 15
"""zlib's own format, which ends with a checksum."""
_MEMORY: Final = 9
"""zlib's maximum (256 KiB), for the longest blocks that share one code."""


def compress(data: bytes) -> bytes:
    """``data`` compressed; a little longer than ``data`` if it can't be compressed."""
    stream = zlib.compressobj(1, zlib.DEFLATED, _FORMAT, _MEMORY, zlib.Z_HUFFMAN_ONLY)
    return stream.compress(data) + stream.flush()


def decompress(data: bytes, most: int) -> bytes:
    """The bytes that ``compress`` got, at most ``most``; never makes more, whatever ``data`` is.

    Raises:
        ValueError: the result is longer, or ``data`` is damaged, truncated, or followed by more.
    """
    stream = zlib.decompressobj(_FORMAT)
    try:
        found = stream.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"{len(data)} bytes can't be decompressed: {error}") from error
    if len(found) > most:
        raise ValueError(f"{len(data)} bytes are more than {most} when decompressed")
    if not stream.eof or stream.unused_data:
        raise ValueError(f"{len(data)} bytes are truncated, or followed by others")
    return found
