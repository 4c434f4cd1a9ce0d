"""Smartwatch recordings of ten people at seven shoulder exercises: one person is one site.

The data are a file inside the PyPI package ``seglearn`` 1.2.5 (BSD-3-Clause); the package itself
is not imported. The file is a pickle, and unpickling runs what the file says: it is read only if
its sha256 is that of the published one.
"""

import hashlib
import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fl_common.configuration.paths import from_home
from fl_common.errors import InvalidData
from fl_common.vocabulary import Windows
from models import tasks
from simulate.world import TestSet
from simulate.world.lazy import LazyWorld, number_of_sites

FILE = "watch_dataset.npy"
SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
STEP = 64
"""Readings from one window to the next: half a window of 128."""
_REMEDY = (
    "Install it with: pip install seglearn==1.2.5, or set data.root to a folder that holds"
    f" {FILE} of that version"
)


class Wearables(LazyWorld):
    """``root`` is null (the installed package), the data file, or a folder that holds it.

    Of each recording the first 80 % give training windows and the last 20 % test windows; no
    reading is in both. A privacy block is a recording; the test set's groups are the persons.

    Raises:
        InvalidData: the file is missing or is not the published one.
        InvalidConfiguration: more ``sites`` than the ten persons.
    """

    def __init__(self, root: str | None, sites: int | None) -> None:
        task = tasks.wearables()
        recordings = _read(_find(root))
        persons = sorted({recording.person for recording in recordings})
        chosen = persons[: number_of_sites(sites, len(persons), task.name)]
        own = [[r for r in recordings if r.person == person] for person in chosen]
        train = [_windows(some, held_out=False) for some in own]
        test = [_windows(some, held_out=True) for some in own]
        names = tuple(f"person-{person:02d}" for person in chosen)
        super().__init__(task, names, train.__getitem__, None, _test_set(test, names))


@dataclass(frozen=True)
class _Recording:
    """``readings`` (time, 6) of one person at one exercise."""

    name: str
    person: int
    label: int
    readings_TC: NDArray[np.float64]

    def windows(self, held_out: bool) -> NDArray[np.float32]:
        """Windows (N, 128, 6) of the first 80 %, or of the last 20 %."""
        border = len(self.readings_TC) * 4 // 5
        part_TC = self.readings_TC[border:] if held_out else self.readings_TC[:border]
        length, channels = tasks.wearables().window_shape
        if len(part_TC) < length:
            return np.empty((0, length, channels), np.float32)
        windows_NCT = sliding_window_view(part_TC, length, axis=0)[::STEP]
        return np.ascontiguousarray(windows_NCT.transpose(0, 2, 1), dtype=np.float32)


def _find(root: str | None) -> Path:
    if root is not None:
        given = from_home(str(root))
        path = given / FILE if given.is_dir() else given
    else:
        package = importlib.util.find_spec("seglearn")
        if package is None or package.origin is None:
            raise InvalidData("package seglearn", "must be installed for task wearables", _REMEDY)
        path = Path(package.origin).parent / "data" / FILE
    if not path.is_file():
        raise InvalidData(str(path), "must exist for task wearables", _REMEDY)
    return path


def _read(path: Path) -> list[_Recording]:
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise InvalidData(
            f"{path} ({len(content)} bytes, sha256 {found[:12]}…)",
            f"must be the {FILE} of seglearn 1.2.5, sha256 {SHA256[:12]}…; no other pickle is read",
            _REMEDY,
        )
    data: dict[str, Any] = np.load(io.BytesIO(content), allow_pickle=True).item()
    return [
        _Recording(f"recording-{number:03d}", int(person), int(label), readings)
        for number, (person, label, readings) in enumerate(
            zip(data["subject"], data["y"], data["X"], strict=True)
        )
    ]


def _windows(recordings: list[_Recording], held_out: bool) -> Windows:
    parts = [recording.windows(held_out) for recording in recordings]
    lengths = [len(part) for part in parts]
    return Windows(
        values=np.concatenate(parts),
        labels=np.repeat(np.array([r.label for r in recordings], np.int64), lengths),
        block_of=np.repeat(np.arange(len(recordings)), lengths),
        blocks=tuple(recording.name for recording in recordings),
    )


def _test_set(persons: list[Windows], names: tuple[str, ...]) -> TestSet:
    """The persons' held-out windows in one set; blocks keep their names."""
    lengths = [len(windows) for windows in persons]
    return TestSet(
        Windows(
            values=np.concatenate([windows.values for windows in persons]),
            labels=np.concatenate([windows.labels for windows in persons]),
            block_of=np.concatenate(list(_shifted(persons))),
            blocks=tuple(block for windows in persons for block in windows.blocks),
        ),
        np.repeat(np.arange(len(persons)), lengths),
        names,
    )


def _shifted(persons: list[Windows]) -> Iterator[NDArray[np.int64]]:
    first = 0
    for windows in persons:
        yield windows.block_of + first
        first += len(windows.blocks)
