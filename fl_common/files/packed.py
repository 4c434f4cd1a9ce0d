"""Packed files, read with a bound on what they unpack to and on what a reader holds in memory.

The libraries for archives read whatever size a header states in one piece, and make an array of the
shape that a file claims before they look for its values.
"""

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fl_common.errors import InvalidData

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways to pack a file in a zip whose output can be asked for in pieces."""
_LARGEST_PIECE = 4 << 20
_CHUNK = 1 << 20
_MOST_ARRAYS = 10_000


class Pieces(io.RawIOBase):
    """A file that gives at most 4 MiB at once: no header or list of a zip is longer.

    Raises:
        ValueError: more was asked for.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes."""
        if size > _LARGEST_PIECE:
            raise ValueError(f"a header or a list of {size} bytes")
        return self._source.read(_LARGEST_PIECE if size < 0 else size)

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether another place can be gone to."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place."""
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        """The present place."""
        return self._source.tell()


class Unpacked(Pieces):
    """A stream of at most ``most_bytes``, which are counted whether they are read or skipped.

    Raises:
        ValueError: it has more, or is gone back in.
    """

    def __init__(self, source: IO[bytes], most_bytes: int) -> None:
        super().__init__(source)
        self._left = most_bytes

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes."""
        content = super().read(size)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError("it unpacks to more than it may")
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Skip to a place that lies ahead."""
        left = offset - self.tell()
        if whence != io.SEEK_SET or left < 0:
            raise ValueError("it is read forward only")
        while left > 0 and (skipped := len(self.read(min(left, _CHUNK)))):
            left -= skipped
        return self.tell()


def read_npz(source: Path | IO[bytes], most_bytes: int) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name, at most ``most_bytes`` of them.

    Raises:
        InvalidData: it is no such file, is damaged, has pickles or more bytes, or claims a shape
            without its values.
    """
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                return read_npz(file, most_bytes)
        with zipfile.ZipFile(Pieces(source)) as packed:
            return dict(_array(packed, info) for info in _checked(packed, most_bytes))
    except InvalidData:
        raise
    except Exception as error:  # zipfile's and numpy's errors for a damaged file have no base
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        name = getattr(source, "name", "the archive")
        raise InvalidData(
            f"{name}", f"is no .npz file of arrays ({words})", "Write it with numpy.savez"
        ) from error


def _checked(packed: zipfile.ZipFile, most_bytes: int) -> list[zipfile.ZipInfo]:
    infos = packed.infolist()
    if len(infos) > _MOST_ARRAYS or sum(info.file_size for info in infos) > most_bytes:
        raise ValueError(f"more than {most_bytes} bytes or {_MOST_ARRAYS} arrays")
    if any(info.compress_type not in METHODS for info in infos):
        raise ValueError("packed in an unusual way")
    return infos


def _array(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[str, NDArray[Any]]:
    with packed.open(info) as content:
        version = npy.read_magic(content)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, is_fortran, dtype = read_header(content)
        values = bytearray()
        while chunk := content.read(_CHUNK):
            values += chunk
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(values):
        raise ValueError(f"{info.filename[:80]!r} has pickles, or not the values of its shape")
    array = np.frombuffer(values, dtype)
    order: Literal["F", "C"] = "F" if is_fortran else "C"
    return info.filename.removesuffix(".npy"), array.reshape(shape, order=order)
