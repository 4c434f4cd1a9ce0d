"""Files of pictures, also hostile ones, for tests of a box that sees."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from fl_common.vocabulary import Task
from models import tasks


def task(height: int, width: int, *channels: str) -> Task:
    """A task of pictures (C, height, width), of two labels."""
    names, count = channels or ("grey",), len(channels) or 1
    return tasks.declared(
        name="pictures",
        channels=names,
        units=["level"] * count,
        rate_hz=None,
        window_shape=[count, height, width],
        labels=["dark", "light"],
        center=[128.0] * count,
        scale=[64.0] * count,
        windows_per_reading=1,
    )


def noise(number: int, height: int = 20, width: int = 30, colours: int = 3) -> Any:
    """Levels (height, width, colours), or (height, width) of one, of which no part is alike."""
    shape = (height, width, colours) if colours > 1 else (height, width)
    return np.random.default_rng(number).integers(0, 256, shape, np.uint8)


def file_of(pixels: Any, form: str = "png", **options: Any) -> bytes:
    """The file of an image, or of levels."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    written = io.BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def with_chunk(png: bytes, name: bytes, content: bytes) -> bytes:
    """A PNG with another chunk after its header."""
    head, rest = png[:33], png[33:]
    checked = name + content
    return head + struct.pack(">I", len(content)) + checked + _crc(checked) + rest


def of_size(png: bytes, width: int, height: int) -> bytes:
    """A PNG whose header says another size."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:8] + struct.pack(">I", 13) + header + _crc(header) + png[33:]


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of some kilobytes that would be gigapixels: one scanline of zeros, packed well."""
    packed = zlib.compress(bytes(1 + width) * 40, 9)
    whole = of_size(file_of(noise(0, 1, 1, 1)), width, height)
    at = whole.index(b"IDAT") - 4
    data = b"IDAT" + packed
    return whole[:at] + struct.pack(">I", len(packed)) + data + _crc(data) + _END


def _crc(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))


_END = struct.pack(">I", 0) + b"IEND" + _crc(b"IEND")
