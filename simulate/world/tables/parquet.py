"""Parquet files for ``task=arrays``, as Arrow, pandas and Spark write them."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fl_common.errors import InvalidData
from simulate.world.npz import check_fits
from simulate.world.tables.arrow import ArrowTable

SUFFIXES = (".parquet", ".pq")
_MAGIC = b"PAR1"
_INDEX = re.compile(r"__index_level_\d+__")
"""The name of a column that holds the nameless index of a pandas data frame."""
_VALUE_BYTES = 8


def is_parquet(path: Path) -> bool:
    """Whether ``path`` is a Parquet file by its name or beginning."""
    if path.suffix.lower() in SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read_parquet(path: Path) -> ArrowTable:
    """The table in a file, or in a folder that is divided by values (``site=press/``).

    Raises:
        InvalidData: it is damaged, or unpacks to more than memory has room for.
    """
    try:
        if path.is_dir():
            table = pq.read_table(path)
        else:
            with pq.ParquetFile(path) as file:
                _check_fits(path, file.metadata)
                table = file.read()
    except (pa.ArrowException, OSError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidData(
            str(path), f"must be an undamaged Parquet file ({reason})", "Get or write it again"
        ) from error
    own = [place for place, name in enumerate(table.column_names) if not _INDEX.fullmatch(name)]
    return ArrowTable(str(path), table.select(own), {})


def _check_fits(path: Path, metadata: pq.FileMetaData) -> None:
    """Runs of one value take no room in the file, and all of theirs in memory."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    values = sum(
        group.column(place).num_values for group in groups for place in range(group.num_columns)
    )
    check_fits(path, values * _VALUE_BYTES)
