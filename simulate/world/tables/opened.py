"""From a path to a table: which reader takes a file, and what a folder holds."""

import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fl_common.errors import InvalidData
from simulate.world.tables import Table, parquet, text
from simulate.world.tables.folder import JoinedTable, said_by
from simulate.world.tables.huggingface import is_saved, read_saved, splits_of
from simulate.world.tables.packed import read_packed
from simulate.world.tables.parquet import is_parquet, read_parquet
from simulate.world.tables.splits import SPLIT, SPLITS
from simulate.world.tables.text import is_csv, read_csv

Part = tuple[Table, Mapping[str, str]]
"""A file, and what its place says of all of its rows."""
_KINDS = "npz, Parquet or CSV"
_IN_FOLDERS = (".npz", ".csv", ".tsv", *parquet.SUFFIXES)


def open_table(path: Path) -> Table:
    """The table at ``path``: a file, a folder of files, or a data set of Hugging Face.

    Raises:
        InvalidData: nothing is there, or what is there can't be read.
    """
    if not path.exists():
        raise InvalidData(
            str(path), "must be a file that exists, or a folder of files", "Correct the path"
        )
    if path.is_dir():
        return _saved(path) if is_saved(path) else _folder(path)
    return _file(path)


def _file(path: Path) -> Table:
    if is_parquet(path):
        return read_parquet(path)
    if is_csv(path):
        return read_csv(path)
    _check_packed(path)
    return read_packed(path)


def _check_packed(path: Path) -> None:
    """Raise InvalidData for a file of another form, such as a spreadsheet."""
    with suppress(zipfile.BadZipFile):
        if path.suffix.lower() == ".npz" or any(
            name.endswith(".npy") for name in zipfile.ZipFile(path).namelist()
        ):
            return
    raise InvalidData(
        str(path),
        f"must be an {_KINDS} file by its content and its name's end, or a folder of such files",
        "Write it so; in Excel: Save as, CSV UTF-8",
    )


def parts_of(path: Path) -> list[Part]:
    """Each file at ``path`` by itself, with what its place says of all of its rows.

    Raises:
        InvalidData: nothing is there, or what is there can't be read.
    """
    if not path.is_dir():
        return [(open_table(path), said_by(Path(path.name)))]
    found = [file for file in sorted(path.rglob("*")) if file.is_file()]
    files, _ = _readable_of([file for file in found if not _is_hidden(file, path)])
    if not files:
        raise _no_file(path)
    return [(_file(file), said_by(file.relative_to(path))) for file in files]


def _saved(path: Path) -> Table:
    """A data set of Hugging Face, whose splits are parts of one table."""
    folders = splits_of(path)
    if list(folders) == [""]:
        return read_saved(path)
    parts: list[Part] = [
        (read_saved(folder), {SPLIT: SPLITS.get(name.lower(), name)})
        for name, folder in folders.items()
    ]
    return JoinedTable(str(path), parts, ())


def _folder(path: Path) -> Table:
    """One file for each site or part; a folder that Hive divides by values is one table."""
    below = sorted(path.rglob("*"))
    found = [file for file in below if file.is_file() and not _is_hidden(file, path)]
    if any("=" in part for file in found for part in file.relative_to(path).parts[:-1]):
        return read_parquet(path)
    _, beside = _readable_of(found)
    notes = [f"{len(beside)} other files of the folder are left out: {beside[0]}"] if beside else []
    return JoinedTable(str(path), parts_of(path), notes)


def _readable_of(found: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files that are tables, and the names of the others; texts only where nothing else is."""
    files = [file for file in found if file.suffix.lower() in _IN_FOLDERS]
    files = files or [file for file in found if file.suffix.lower() in text.SUFFIXES]
    return files, [file.name for file in found if file not in files]


def _no_file(path: Path) -> InvalidData:
    rule = f"must be a file that exists, or a folder of {_KINDS} files"
    return InvalidData(str(path), rule, "Correct the path")


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
