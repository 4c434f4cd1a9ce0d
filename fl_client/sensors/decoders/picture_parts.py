"""The parts of JPEG and PNG: which of them decide what is seen, and which way up it lies.

No other part reaches the library that unpacks pictures: no text, colour profile, preview or date.
"""

import re
from typing import Literal

from fl_client.sensors import InvalidPayload

BEGINS = {"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n"}
_SCAN = b"\xff\xda"
_MOST_SCANS = 100
"""Of a progressive JPEG, each of which goes over the whole picture; usual are ten."""
_MOST_SEGMENTS, _MOST_CHUNKS = 1000, 10_000
"""Of a JPEG and a PNG, each of which takes time however small it is; usual are fifty, and a chunk
for each 8 KiB."""
_ALONE = (0x01, *range(0xD0, 0xD9))
"""Markers of JPEG without a length (ITU-T T.81, table B.1)."""
_LEFT_OUT = (*range(0xE1, 0xEE), 0xEF, 0xFE)
"""Segments of applications and comments, but for JFIF's and Adobe's, which say what colours are."""
_EXIF, _SEVERAL = b"Exif\0\0", b"MPF\0"
_ANOTHER = re.compile(rb"\xff\xd9\0*(\xff\xd8\xff|\x89PNG\r\n)")
"""The end of a JPEG and the beginning of a picture: neither can be within what was packed."""
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_ANIMATION = b"acTL"
_ORIENTATION = 0x0112
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_SIZES = {3: 2, 4: 4}
"""Bytes of TIFF's types for whole numbers."""


def jpeg_parts(content: bytes) -> tuple[bytes, int]:
    """The segments of a JPEG that count, and the orientation in its Exif (1: upright, or none).

    Raises:
        InvalidPayload: it is cut off, has too many scans, or is several pictures. A file that says
            so itself (MPF, such as a camera's with a preview) is its first one.
    """
    kept, at, turn, is_several = [content[:2]], 2, 1, False
    while (marker := _marker(content, at)) != _SCAN[1]:
        begin = at
        if len(kept) > _MOST_SEGMENTS:
            raise InvalidPayload("form", f"it has more than {_MOST_SEGMENTS} segments")
        at += 2 if marker in _ALONE else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        part = content[begin + 4 : at]
        is_several |= marker == 0xE2 and part.startswith(_SEVERAL)
        if marker == 0xE1 and part.startswith(_EXIF):
            turn = _orientation(part[len(_EXIF) :])
        if marker not in _LEFT_OUT:
            kept.append(content[begin:at])
    scans = content[at:]
    if scans.count(_SCAN) > _MOST_SCANS:
        raise InvalidPayload("form", f"it has more than {_MOST_SCANS} scans")
    if not is_several and _ANOTHER.search(scans):
        raise _several()
    return b"".join([*kept, scans]), turn


def png_parts(content: bytes) -> tuple[bytes, int]:
    """The chunks of a PNG that count, and the orientation in its Exif (1: upright, or none).

    Raises:
        InvalidPayload: it is cut off, an animation, has 16 bits, or is several pictures.
    """
    kept, at, name, turn = [content[:8]], 8, b"", 1
    while name != b"IEND" and at + 8 <= len(content):
        if len(kept) > _MOST_CHUNKS:
            raise InvalidPayload("form", f"it has more than {_MOST_CHUNKS:,} chunks")
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        name = content[at + 4 : at + 8]
        if name == _ANIMATION:
            raise InvalidPayload("form", "it is an animation")
        if name == b"IHDR" and content[at + 16 : at + 17] == b"\x10":
            raise InvalidPayload("colours", "it has 16 bits for each colour")
        if name == b"eXIf":
            turn = _orientation(content[at + 8 : end - 4].removeprefix(_EXIF))
        if name in _KEPT:
            kept.append(content[at:end])
        at = end
    if name != b"IEND" or at > len(content):
        raise _cut_off(content)
    if content.startswith(tuple(BEGINS.values()), at):
        raise _several()
    return b"".join(kept), turn


def _marker(content: bytes, at: int) -> int:
    if at + 4 > len(content):
        raise _cut_off(content)
    if content[at] != 0xFF:
        raise InvalidPayload("damaged", f"no part of a JPEG begins at byte {at}")
    return content[at + 1]


def _orientation(exif: bytes) -> int:
    """Which way up a picture lies, by the first directory (TIFF 6.0, section 2); 1 if it says not.

    No other value is looked at, for a file may claim thousands of any size.
    """
    order = _ORDERS.get(exif[:4])
    if order is None:
        return 1
    at = int.from_bytes(exif[4:8], order)
    for _ in range(int.from_bytes(exif[at : at + 2], order)):
        entry = exif[at + 2 : at + 14]
        if len(entry) < 12:
            break
        if int.from_bytes(entry[:2], order) == _ORIENTATION:
            size = _SIZES.get(int.from_bytes(entry[2:4], order), 0)
            return int.from_bytes(entry[8 : 8 + size], order)
        at += 12
    return 1


def _cut_off(content: bytes) -> InvalidPayload:
    return InvalidPayload("damaged", f"it is cut off after {len(content)} bytes")


def _several() -> InvalidPayload:
    return InvalidPayload("form", "it is several pictures, and a message has one")
