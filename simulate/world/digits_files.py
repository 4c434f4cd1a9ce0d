"""MNIST's images from torchvision's layout, from an npz file, or from a download."""

import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.paths import from_home
from fl_common.errors import InvalidData
from fl_common.files.whole import whole_file
from models.parts.torchvision_import import import_torchvision
from simulate.world.checks import check_lengths
from simulate.world.download import fetch
from simulate.world.npz import read_npz, require
from simulate.world.storage import cache_folder

NPZ = "mnist.npz"
_MOST_BYTES = 16 + 60_000 * 28 * 28
"""Of the largest file: the training images and their header."""
_TORCHVISION_SAYS = (RuntimeError, ValueError, AssertionError, TypeError, LookupError)
"""What torchvision raises on a missing file or a damaged one."""


@dataclass(frozen=True)
class Images:
    """Grey levels (N, 28, 28) and labels (N,) as they were found in ``source``; not checked yet."""

    source: str
    pixels_NHW: NDArray[Any]
    labels_N: NDArray[Any]


def read_images(root: str | None) -> tuple[Images, Images]:
    """Training and test images.

    ``root`` None is the cache folder, and the only place that is downloaded to.

    Raises:
        InvalidData: no MNIST there, damaged files, or no network.
    """
    if root is None:
        _download(cache_folder())
        return _from_raw(cache_folder())
    path = from_home(str(root))
    if path.is_file():
        return _from_npz(path)
    if _raw(path).is_dir():
        return _from_raw(path)
    if (path / NPZ).is_file():
        return _from_npz(path / NPZ)
    raise InvalidData(
        f"data.root={root}",
        f"must be a folder with MNIST/raw (idx files, as torchvision keeps them) or {NPZ},"
        " or be such an npz file",
        "Correct it, or leave data.root out to download MNIST",
    )


def _download(root: Path) -> None:
    """Fetch the archives where neither they nor the files in them are there."""
    mnist, raw = import_torchvision().datasets.MNIST, _raw(root)
    names = ", ".join(name for name, _ in mnist.resources)
    remedy = (
        f"Without a network, put the four files {names} into {raw}, or set data.root to a folder"
        f" that holds {NPZ}"
    )
    for name, md5 in mnist.resources:
        if not (raw / name).is_file() and not (raw / name).with_suffix("").is_file():
            _fetch_from_any([mirror + name for mirror in mnist.mirrors], raw / name, remedy, md5)


def _fetch_from_any(urls: list[str], path: Path, remedy: str, md5: str) -> None:
    for url in urls[:-1]:
        try:
            return fetch(url, path, remedy, md5)
        except InvalidData:
            continue  # the last mirror's error is the one that is shown
    return fetch(urls[-1], path, remedy, md5)


def _from_raw(root: Path) -> tuple[Images, Images]:
    """By torchvision's own class; never asked to download, which it would do without a word."""
    mnist, raw = import_torchvision().datasets.MNIST, _raw(root)
    try:
        for name, md5 in mnist.resources:
            _unpack(raw / name, md5)
        parts = [mnist(root, train=train, download=False) for train in (True, False)]
    except (OSError, EOFError, zlib.error, *_TORCHVISION_SAYS) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise InvalidData(
            str(raw), f"must hold undamaged MNIST files ({reason})", "Get the files again"
        ) from error
    train, test = (Images(str(raw), part.data.numpy(), part.targets.numpy()) for part in parts)
    return train, test


def _unpack(archive: Path, md5: str) -> None:
    """Write the file in ``archive`` beside it, unless it is there or the archive is not."""
    unpacked = archive.with_suffix("")
    if unpacked.is_file() or not archive.is_file():
        return
    packed = archive.read_bytes()
    found = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ValueError(f"{archive.name} has md5 {found}, published is {md5}")
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as source:
        content = source.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{archive.name} unpacks to more than {_MOST_BYTES} bytes")
    with whole_file(unpacked) as file:
        file.write(content)


def _raw(root: Path) -> Path:
    return root / "MNIST" / "raw"


def _from_npz(path: Path) -> tuple[Images, Images]:
    """``x``, ``y``, ``split`` (0 train, 1 test), or Keras' ``x_train``, ``y_train``, ...."""
    arrays, source = read_npz(path), str(path)
    if "x_train" in arrays:
        require(arrays, ("x_train", "y_train", "x_test", "y_test"), source)
        train, test = (
            Images(source, arrays[f"x_{p}"], arrays[f"y_{p}"]) for p in ("train", "test")
        )
        return train, test
    require(arrays, ("x", "y", "split"), source)
    check_lengths(source, **{name: arrays[name] for name in ("x", "y", "split")})
    masks = [np.atleast_1d(arrays["split"]) == code for code in (0, 1)]
    train, test = (Images(source, arrays["x"][mask], arrays["y"][mask]) for mask in masks)
    return train, test
