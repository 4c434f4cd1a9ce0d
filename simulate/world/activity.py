"""Activities of thirty people with a smartphone at the waist, UCI HAR: one person is one site."""

import contextlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fl_common.configuration.paths import from_home
from fl_common.errors import InvalidData
from fl_common.files.whole import whole_file
from fl_common.vocabulary import Integers, Windows
from models import tasks
from simulate.world import TestSet
from simulate.world.activity_archive import Archive, Part, open_archive, read_part
from simulate.world.download import check_recorded, fetch
from simulate.world.lazy import LazyWorld, number_of_sites, part_of
from simulate.world.npz import read_npz
from simulate.world.storage import cache_folder

URL = (
    "https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip"
)
DOWNLOAD = "uci-har.zip"
_CACHE_FORMAT = 1


class Activity(LazyWorld):
    """``root``: the archive as a folder or a zip, or a folder that holds one of them.

    A null ``root`` is what was downloaded before, else a download. The archive's 21 training
    persons are the sites; its nine test persons, whom no site has seen, are the groups of the test
    set. The windows of a person are one privacy block. The parsed numbers are kept in the cache
    folder, where that can be written.

    Raises:
        InvalidData: no archive there, a damaged one, or no network.
        InvalidConfiguration: more ``sites`` than training persons.
    """

    def __init__(self, root: str | None, sites: int | None) -> None:
        task = tasks.activity()
        train, test = _parsed(open_archive(_locate(root)))
        persons, windows = _by_person(train)
        chosen = persons[: number_of_sites(sites, len(persons), task.name)]
        groups, held_out = np.unique(test.subject_N, return_inverse=True)
        test_set = TestSet(_windows(test), held_out.astype(np.int64), _names(groups))
        super().__init__(task, _names(chosen), windows.__getitem__, None, test_set)


def _locate(root: str | None) -> Path:
    if root is not None:
        return from_home(str(root))
    path = cache_folder() / DOWNLOAD
    if not path.is_file():
        remedy = (
            "Without a network, download it elsewhere and set data.root to the zip, or put it at"
            f" {path}"
        )
        fetch(URL, path, remedy, md5=None)
    return path


def _parsed(archive: Archive) -> tuple[Part, Part]:
    """From the cache, else from the archive, which is slow the first time."""
    kept = cache_folder() / f"activity-{_CACHE_FORMAT}-{archive.fingerprint()[:24]}.npz"
    with contextlib.suppress(InvalidData, KeyError, OSError):
        arrays = read_npz(kept)
        train, test = (Part(*(arrays[f"{p}_{i}"] for i in range(3))) for p in ("train", "test"))
        return train, test
    check_recorded(Path(archive.source))
    train, test = read_part(archive, "train"), read_part(archive, "test")
    columns: dict[str, Any] = {}
    for name, part in (("train", train), ("test", test)):
        for index, column in enumerate((part.values_NTC, part.labels_N, part.subject_N)):
            columns[f"{name}_{index}"] = column
    with contextlib.suppress(OSError), whole_file(kept) as file:  # a cache that can't be written
        np.savez(file, **columns)
    return train, test


def _by_person(part: Part) -> tuple[Integers, list[Windows]]:
    """The persons in order, and the windows of each as views of one array."""
    order_N = np.argsort(part.subject_N, kind="stable")
    persons, first = np.unique(part.subject_N[order_N], return_index=True)
    everyone = _windows(
        Part(part.values_NTC[order_N], part.labels_N[order_N], part.subject_N[order_N])
    )
    borders = [*first.tolist(), len(everyone)]
    return persons, [part_of(everyone, start, end) for start, end in pairwise(borders)]


def _windows(part: Part) -> Windows:
    count = len(part.labels_N)
    return Windows(part.values_NTC, part.labels_N, np.zeros(count, np.int64), ("recording",))


def _names(persons: Integers) -> tuple[str, ...]:
    return tuple(f"subject-{person:02d}" for person in persons)
