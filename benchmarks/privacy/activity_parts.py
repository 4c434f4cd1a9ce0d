"""UCI HAR divided in ways that only a study needs; task and numbers are the product's own."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Windows
from simulate.world import TestSet
from simulate.world.activity import DOWNLOAD, Activity
from simulate.world.activity_archive import open_archive
from simulate.world.lazy import LazyWorld, number_of_sites, part_of


class HeldOut(LazyWorld):
    """The training persons without those at positions ``held_out``, who are the test set instead.

    For choosing a recipe: the archive's nine test persons take no part at all.

    Raises:
        InvalidConfiguration: a position that no training person has, none that is left, or more
            ``sites`` than are left.
    """

    def __init__(self, root: str | None, sites: int | None, held_out: Sequence[int]) -> None:
        whole = Activity(root, None)
        persons = range(len(whole.sites))
        kept = [person for person in persons if person not in held_out]
        if not set(held_out) <= set(persons) or not held_out or not kept:
            raise InvalidConfiguration(
                f"world.held_out={list(held_out)}",
                f"must be some, not all, of the positions 0 to {persons[-1]}",
                "Give such positions",
            )
        kept = kept[: number_of_sites(sites, len(kept), whole.task.name)]
        parts = [whole.windows(person) for person in held_out]
        test = TestSet(
            _joined(parts),
            np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
            tuple(whole.sites[person] for person in held_out),
        )
        names = tuple(whole.sites[person] for person in kept)
        super().__init__(whole.task, names, lambda site: whole.windows(kept[site]), None, test)


class EqualSites(LazyWorld):
    """Each training person's first windows, as many as the person with the fewest has.

    With sites of one size, batches without DP and Poisson samples under it can be made to have the
    same number of windows, and a round the same number of steps, so that times may be compared.

    Raises:
        InvalidConfiguration: more ``sites`` than training persons.
    """

    def __init__(self, root: str | None, sites: int | None) -> None:
        whole = Activity(root, sites)
        size = min(len(whole.windows(person)) for person in range(len(whole.sites)))
        super().__init__(
            whole.task,
            whole.sites,
            lambda site: part_of(whole.windows(site), 0, size),
            None,
            whole.test(),
        )


def _joined(parts: Sequence[Windows]) -> Windows:
    labels_N = np.concatenate([part.labels for part in parts])
    return Windows(
        np.concatenate([part.values for part in parts]),
        labels_N,
        np.zeros(len(labels_N), np.int64),
        ("recording",),
    )


def data_facts(data: Path | None) -> str:
    """Which copy of the data set: its file or folder, and a digest of all windows and labels.

    ``data`` is the archive, or a folder that holds it; None is what the program downloaded.

    Raises:
        InvalidData: no archive there.
    """
    world = Activity(None if data is None else str(data), None)
    digest = hashlib.sha256()
    for windows in [*map(world.windows, range(len(world.sites))), world.test().windows]:
        digest.update(windows.values.tobytes())
        digest.update(windows.labels.tobytes())
    name = DOWNLOAD if data is None else Path(open_archive(data).source).name
    return f"{name}, windows and labels with sha256 {digest.hexdigest()[:16]}"
