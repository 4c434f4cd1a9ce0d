"""The UCI HAR archive (Anguita et al. 2013): a folder, its zip, or the zip of it that UCI sends."""

import hashlib
import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats, Integers
from models import tasks
from simulate.world.checks import check_labels, check_lengths, check_values

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
_FIRST_MEMBER = re.compile(r"(?P<folder>.*?)train/y_train\.txt")
_REMEDY = "Get an undamaged copy of the UCI HAR archive"


@dataclass(frozen=True)
class Part:
    """Training or test windows (N, 128, 9), labels (N,) from 0, and the person of each (N,)."""

    values_NTC: Floats
    labels_N: Integers
    subject_N: Integers


class Archive(Protocol):
    """Files of the data set, wherever they lie."""

    @property
    def source(self) -> str:
        """The folder or zip, for messages."""
        ...

    def read(self, member: str) -> bytes:
        """Content of a file, by its path below "UCI HAR Dataset".

        Raises:
            InvalidData: no such file, or it is damaged.
        """
        ...

    def fingerprint(self) -> str:
        """Changes when the archive does: from names, sizes and modification times."""
        ...


@dataclass(frozen=True)
class FolderArchive:
    """The unpacked folder "UCI HAR Dataset"."""

    folder: Path

    @property
    def source(self) -> str:
        """The folder."""
        return str(self.folder)

    def read(self, member: str) -> bytes:
        """Content of a file."""
        path = self.folder / member
        if not path.is_file():
            raise InvalidData(f"{self.source}: {member}", "must exist", _REMEDY)
        return path.read_bytes()

    def fingerprint(self) -> str:
        """From every file below the folder."""
        return _digest(sorted(self.folder.rglob("*.txt")))


@dataclass(frozen=True)
class ZipArchive:
    """A zip with a folder "UCI HAR Dataset" at ``prefix``."""

    path: Path
    file: zipfile.ZipFile
    prefix: str

    @property
    def source(self) -> str:
        """The zip."""
        return str(self.path)

    def read(self, member: str) -> bytes:
        """Content of a file, checked by zip's CRC."""
        try:
            return self.file.read(self.prefix + member)
        except KeyError as error:
            raise InvalidData(f"{self.source}: {member}", "must exist", _REMEDY) from error
        except _DAMAGED as error:
            raise InvalidData(
                f"{self.source}: {member}", f"can't be read ({error})", _REMEDY
            ) from error

    def fingerprint(self) -> str:
        """From the zip's own name, size and time."""
        return _digest([self.path])


def open_archive(path: Path) -> Archive:
    """The archive at ``path``: the folder, a zip, or a folder that holds one of them.

    Raises:
        InvalidData: none there, or a damaged zip.
    """
    if not path.exists():
        raise InvalidData(str(path), "must exist: the folder or zip of UCI HAR", "Correct the path")
    if path.is_file():
        return _open_zip(path)
    for folder in (path, path / "UCI HAR Dataset"):
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            return FolderArchive(folder)
    problems = []
    for candidate in sorted(path.glob("*.zip")):
        try:
            return _open_zip(candidate)
        except InvalidData as error:
            problems.append(f"{candidate.name} {error.rule}")
    raise InvalidData(
        str(path),
        'must hold "UCI HAR Dataset", as a folder or an undamaged zip'
        + "".join(f"; {problem}" for problem in problems),
        "Correct data.root, or get the archive",
    )


def _open_zip(path: Path) -> ZipArchive:
    try:
        file = zipfile.ZipFile(path)
        found = _prefix_in(file)
        if found is None:
            inner = [name for name in file.namelist() if name.endswith("UCI HAR Dataset.zip")]
            file = zipfile.ZipFile(io.BytesIO(file.read(inner[0]))) if inner else file
            found = _prefix_in(file)
    except _DAMAGED as error:
        raise InvalidData(str(path), f"is cut or no zip ({error})", _REMEDY) from error
    if found is None:
        raise InvalidData(str(path), "holds no UCI HAR Dataset (train/y_train.txt)", _REMEDY)
    return ZipArchive(path, file, found)


def _prefix_in(file: zipfile.ZipFile) -> str | None:
    matches = (_FIRST_MEMBER.fullmatch(name) for name in file.namelist())
    return next((match["folder"] for match in matches if match), None)


def _digest(paths: list[Path]) -> str:
    facts = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def read_part(archive: Archive, part: str) -> Part:
    """``part`` is train or test.

    Raises:
        InvalidData: a file is missing or cut, holds another number of columns or rows, a reading
            that is no finite number, or a label that the task does not have.
    """
    task = tasks.activity()
    length, _ = task.window_shape
    signals = [
        _table(archive, f"{part}/Inertial Signals/{name}_{part}.txt", np.float32, length)
        for name in task.channels
    ]
    labels_N = _table(archive, f"{part}/y_{part}.txt", np.int64, 1)[:, 0]
    subject_N = _table(archive, f"{part}/subject_{part}.txt", np.int64, 1)[:, 0]
    source = f"{archive.source}: {part}"
    check_lengths(
        source, **dict(zip(task.channels, signals, strict=True)), y=labels_N, subject=subject_N
    )
    values_NTC = np.stack(signals, axis=2)
    check_values(source, values_NTC, task)
    check_labels(source, labels_N, 1, len(task.labels))
    return Part(values_NTC, labels_N - 1, subject_N)


def _table(archive: Archive, member: str, dtype: DTypeLike, columns: int) -> NDArray[Any]:
    """The numbers of a text file (rows, columns)."""
    name, text = f"{archive.source}: {member}", archive.read(member)
    if not text.strip():
        raise InvalidData(name, "must not be empty", _REMEDY)
    try:
        table = np.loadtxt(io.BytesIO(text), dtype=dtype, comments=None, ndmin=2)
    except ValueError as error:
        raise InvalidData(
            name, f"must hold {columns} numbers on every line ({error})", _REMEDY
        ) from error
    if table.shape[1] != columns:
        raise InvalidData(
            name, f"must hold {columns} numbers on every line, not {table.shape[1]}", _REMEDY
        )
    return table
