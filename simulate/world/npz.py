"""Reading npz files from outside: no pickles, and one message whatever is wrong with them."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import NamedArrays


def read_npz(path: Path) -> NamedArrays:
    """Every array of an npz file, by name.

    Raises:
        InvalidData: no such file, no npz file, a damaged one, or one with object arrays (pickles).
    """
    arrays, pickled = read_plain(path)
    if pickled:
        raise InvalidData(
            f"{path}: {pickled[0]}",
            "must be in an npz file without object arrays: those are pickles, which can run code"
            " when they are read",
            "Write plain numbers or strings with numpy.savez: text as numpy.array(texts, str)",
        )
    return arrays


def read_plain(path: Path) -> tuple[NamedArrays, tuple[str, ...]]:
    """The arrays of an npz file by name, and the names of its object arrays, which are not read.

    Raises:
        InvalidData: no such file, no npz file, or a damaged one.
    """
    if not path.is_file():
        raise InvalidData(str(path), "must be a file that exists", "Correct the path")
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise InvalidData(str(path), "must be an npz file", "Write it with numpy.savez")
        with loaded as file:
            assert file.zip is not None
            check_fits(path, sum(member.file_size for member in file.zip.infolist()))
            found = {name: _plain(file, name) for name in file.files}
    except (OSError, EOFError, ValueError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidData(
            str(path),
            f"must be an undamaged npz file ({' '.join(str(error).split()) or 'too large'})",
            "Get or write it again; a table is read by its name's end: .csv, .parquet",
        ) from error
    arrays = {name: array for name, array in found.items() if array is not None}
    return arrays, tuple(name for name in found if name not in arrays)


def _plain(file: np.lib.npyio.NpzFile, name: str) -> NDArray[Any] | None:
    """The array; None if it has objects."""
    try:
        return np.asarray(file[name])
    except ValueError as error:
        if "allow_pickle" in str(error):
            return None
        raise


def check_fits(path: Path, unpacked: int) -> None:
    """Raise InvalidData for arrays that this machine has no memory for."""
    free = free_bytes()
    if unpacked > free:
        raise InvalidData(
            f"{path}",
            f"unpacks to {unpacked / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of memory are free",
            "Give fewer rows or smaller numbers (float32, float16), or use a larger machine",
        )


def free_bytes() -> int:
    """Memory that this machine can still give."""
    return int(psutil.virtual_memory().available)


def require(arrays: NamedArrays, names: tuple[str, ...], source: str) -> None:
    """Raise InvalidData unless all of ``names`` are there."""
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InvalidData(
            f"{source} with {', '.join(sorted(arrays)) or 'nothing'}",
            f"must also hold {', '.join(missing)}",
            f"Give it the arrays {', '.join(names)}",
        )
