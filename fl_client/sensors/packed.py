"""Content that was packed by gzip or zlib, unpacked within a bound."""

import zlib

from fl_client.sensors import InvalidPayload

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


def unpacked(payload: bytes, most_bytes: int) -> bytes:
    """What ``payload``, by gzip (RFC 1952) or zlib (RFC 1950), has in it.

    Raises:
        InvalidPayload: ``gzip``, it is not packed so or is not whole; ``size``, it has more than
            ``most_bytes`` in it, and was unpacked no further.
    """
    content = bytearray()
    while payload:  # a file of gzip may have several members
        member = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            content += member.decompress(payload, most_bytes + 1 - len(content))
        except zlib.error as error:
            raise InvalidPayload("gzip", "not packed by gzip or zlib") from error
        if len(content) > most_bytes:
            raise InvalidPayload("size", f"more than {most_bytes} bytes when unpacked")
        if not member.eof:
            raise InvalidPayload("gzip", "ends before its packed content does")
        payload = member.unused_data.lstrip(b"\0")
    return bytes(content)
