"""Data sets of Hugging Face as ``save_to_disk`` leaves them, read without their library.

Such a folder has the rows as Arrow streams, which ``state.json`` lists, and the columns' types in
``dataset_info.json``; one of several splits has ``dataset_dict.json`` and a folder for each.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from fl_common.errors import InvalidData
from simulate.world.npz import check_fits
from simulate.world.tables.arrow import ArrowTable

_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
_AGAIN = "Save it again, with save_to_disk"


def is_saved(path: Path) -> bool:
    """Whether the folder ``path`` is a data set, or some splits of one."""
    return (path / _STATE).is_file() or (path / _SPLITS).is_file()


def splits_of(path: Path) -> dict[str, Path]:
    """The folders of the splits by their names; one without a name where there are none.

    Raises:
        InvalidData: the list of splits is damaged.
    """
    if not (path / _SPLITS).is_file():
        return {"": path}
    names = _json(path / _SPLITS).get("splits")
    if not isinstance(names, list) or not names or not all(map(_is_plain, names)):
        raise InvalidData(str(path / _SPLITS), "must list the splits' folders", _AGAIN)
    return {name: path / name for name in names}


def read_saved(path: Path) -> ArrowTable:
    """The rows of one split.

    Raises:
        InvalidData: a file is missing or damaged.
    """
    files = [one.get("filename") for one in _dicts(_json(path / _STATE).get("_data_files"))]
    if not files or not all(map(_is_plain, files)):
        raise InvalidData(str(path / _STATE), "must list the files of the rows", _AGAIN)
    paths = [path / str(name) for name in files]
    try:
        for one in paths:
            check_fits(one, one.stat().st_size)
        tables = [_stream(one) for one in paths]
        table = pa.concat_tables(tables)
        table.validate(full=True)
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidData(
            str(path), f"must hold undamaged Arrow files ({reason})", _AGAIN
        ) from error
    return ArrowTable(str(path), table, dict(_categories(path)))


def _stream(path: Path) -> pa.Table:
    """The rows of one file: a stream, as the library writes, or Arrow's other form."""
    with pa.memory_map(str(path)) as source:
        try:
            return pa.ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return pa.ipc.open_file(source).read_all()


def _categories(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The names of each column's values, where it is a ``ClassLabel``."""
    if not (path / _INFO).is_file():
        return
    features = _json(path / _INFO).get("features")
    for name, feature in (features if isinstance(features, dict) else {}).items():
        names = feature.get("names") if isinstance(feature, dict) else None
        if isinstance(names, list) and feature.get("_type") == "ClassLabel":
            yield name, tuple(map(str, names))


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidData(str(path), f"can't be read ({error})", _AGAIN) from error
    if not isinstance(content, dict):
        raise InvalidData(str(path), "must be an object of JSON", _AGAIN)
    return content


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _is_plain(name: Any) -> bool:
    """Whether ``name`` is that of a file in the folder itself."""
    return isinstance(name, str) and name not in ("", ".", "..") and Path(name).name == name
