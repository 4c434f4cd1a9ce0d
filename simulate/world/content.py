"""The content of a world as a digest, so that a run does not go on with other data."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Windows
from simulate.world import World

_SITES = 5000
"""Of a larger world that names no arrays of its own, this many sites are read, evenly spread."""


def content_digest(world: World) -> str:
    """Hex sha256 of the sites' names and windows, and of the test set.

    A world that cuts its sites from few arrays gives those as ``base``, and none is cut.
    """
    digest = hashlib.sha256(str(len(world.sites)).encode())
    for array in _arrays(world):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _arrays(world: World) -> Iterator[NDArray[Any]]:
    """All that is in the world, one array after the other."""
    test = world.test()
    yield from _of_windows(test.windows)
    yield test.group_of
    yield _of_texts(test.groups)
    if base := getattr(world, "base", ()):
        yield from base
        return
    sites = range(0, len(world.sites), max(1, len(world.sites) // _SITES))
    yield _of_texts(world.sites[site] for site in sites)
    for site in sites:
        yield from _of_windows(world.windows(site))


def _of_windows(windows: Windows) -> Iterator[NDArray[Any]]:
    yield windows.values
    yield windows.labels
    yield windows.block_of
    yield _of_texts(windows.blocks)


def _of_texts(texts: Iterable[str]) -> NDArray[np.uint8]:
    """Texts with their lengths, as bytes."""
    parts = (f"{len(text)}:{text}" for text in texts)
    return np.frombuffer("".join(parts).encode(), np.uint8)
