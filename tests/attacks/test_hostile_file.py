"""Hostile files for the repository: archives that fill memory, files that change when looked at."""

import gzip
import os
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fl_common.components.description import Component, Kind
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.packed import read_npz
from fl_server.repository import verification
from fl_server.repository.build import build_device, load_configuration
from fl_server.repository.case import Case, Evidence
from fl_server.repository.gates import GateFinding
from fl_server.repository.store.archive import content_of
from fl_server.repository.store.contents import content_path, open_regular
from fl_server.repository.verification import check
from models.onnx.example import EXAMPLE, Example
from tests.support.model_files import published
from tests.support.repositories import World

MOST = 2_000_000
MEMORY = 30_000_000
"""What unpacking may take: some pieces, and the list of ten thousand names."""
BOMB = 300_000_000


def _zeros(path: Path, before: bytes, count: int) -> Path:
    """A gzip stream of ``before`` and zeros, made in pieces."""
    with gzip.open(path, "wb", compresslevel=1) as packed:
        packed.write(before)
        for _ in range(count >> 20):
            packed.write(bytes(1 << 20))
    return path


def _header(kind: bytes, size: int, name: str = "a") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def long_name(folder: Path) -> Path:
    return _zeros(folder / "a.tar.gz", _header(tarfile.GNUTYPE_LONGNAME, BOMB), BOMB)


def long_header(folder: Path) -> Path:
    return _zeros(folder / "a.tgz", _header(tarfile.XHDTYPE, BOMB), BOMB)


def long_folder(folder: Path) -> Path:
    """A folder with content, which nobody reads, but skips."""
    return _zeros(folder / "a.tar.gz", _header(tarfile.DIRTYPE, BOMB), BOMB)


def long_file(folder: Path) -> Path:
    return _zeros(folder / "a.tar.gz", _header(tarfile.REGTYPE, BOMB), BOMB)


def with_holes(folder: Path) -> Path:
    """A sparse file: one block here, gigabytes when it is unpacked."""
    info = tarfile.TarInfo("a")
    info.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"77777777777\0"
    block[148:156] = b" " * 8  # where the sum of the others goes
    block[148:156] = b"%06o\0 " % sum(block)
    path = folder / "a.tar"
    path.write_bytes(bytes(block) + bytes(10240))
    return path


def many_folders(folder: Path) -> Path:
    path = folder / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        packed.write(b"".join(_header(tarfile.DIRTYPE, 0, f"{n}") for n in range(20_000)))
        packed.write(bytes(1024))
    return path


def many_names(folder: Path) -> Path:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for number in range(40_000):
            packed.writestr(f"{number:0150}", b"")
    return path


def zipped(method: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "a.zip"
        with zipfile.ZipFile(path, "w", method) as packed, packed.open("a", "w") as file:
            for _ in range(BOMB >> 20):
                file.write(bytes(1 << 20))
        return path

    return make


BOMBS: dict[str, Callable[[Path], Path]] = {
    "a long name": long_name,
    "a long header": long_header,
    "a folder with content": long_folder,
    "a long file": long_file,
    "a file with holes": with_holes,
    "many folders": many_folders,
    "many names": many_names,
    "deflated": zipped(zipfile.ZIP_DEFLATED),
    "bzip2": zipped(zipfile.ZIP_BZIP2),
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_archive_takes_no_more_memory_than_its_limit_however_it_is_made(
    name: str, tmp_path: Path
) -> None:
    archive, inside = BOMBS[name](tmp_path), tmp_path / "inside"
    inside.mkdir()
    tracemalloc.start()
    try:
        with pytest.raises(InvalidData):
            content_of(archive, inside, MOST)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MEMORY
    assert sum(p.stat().st_size for p in inside.rglob("*") if p.is_file()) <= MOST


def _npy(header: str) -> bytes:
    text = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def _npz(folder: Path, content: bytes) -> Path:
    path = folder / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("input.a.npy", content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000,), }"),
        _npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + b"cos\nsystem\n.",
        _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (300000000,), }") + bytes(BOMB),
    ],
    ids=["a shape without values", "a pickle", "a bomb"],
)
def test_an_example_takes_no_more_memory_than_its_limit(content: bytes, tmp_path: Path) -> None:
    path = _npz(tmp_path, content)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidData, match=r"is no \.npz file"):
            read_npz(path, MOST)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MEMORY


def test_arrays_come_back_as_they_were_written(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "f": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "s": np.array(["one", "three"]),
        "e": np.zeros((0, 3)),
        "n": np.array(7),
        "large": np.random.default_rng(0).standard_normal(2**20),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
        found = read_npz(tmp_path / "a.npz", 10 * MOST)
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array, strict=True)


CONFIG = load_configuration(None)
EVIDENCE = Evidence(None, None, None, build_device("server", CONFIG), time.perf_counter)


def imported_wrong(world: World) -> tuple[Component, bytes]:
    """A third-party model that fails the gate golden, and the content that would pass it."""
    wrong = published(world.folder / "wrong.onnx", 1).read_bytes()
    right = published(world.folder / "right.onnx", 2).read_bytes()
    Example.of(right, None).write(world.folder / EXAMPLE)
    (world.folder / "model.onnx").write_bytes(wrong)
    files = {name: world.folder / name for name in ("model.onnx", EXAMPLE)}
    described = {"licence": "MIT", "origin": "a stranger"}
    return world.repository().add(Kind.MODEL, "other", None, files, described), right


def test_a_file_that_is_exchanged_after_its_digest_was_proved_is_not_judged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who can write the served folder can do so at any instant: also between two gates."""
    component, right = imported_wrong(world)
    (model,) = (file for file in component.files if file.path == "model.onnx")

    def exchanging(case: Case) -> GateFinding:
        content_path(world.place, model).write_bytes(right)
        return GateFinding(True, "looked away")

    monkeypatch.setattr(verification, "RUN", {**verification.RUN, "size": exchanging})
    gates = ["size", "golden"]
    found, _ = check(world.repository(), component, gates, EVIDENCE, CONFIG["gates"])
    assert {verdict.gate: verdict.passed for verdict in found} == {"size": True, "golden": False}


@pytest.mark.parametrize("kind", ["another file", "a link to it"])
def test_content_that_is_not_what_was_signed_is_judged_by_no_gate(world: World, kind: str) -> None:
    component, right = imported_wrong(world)
    (model,) = (file for file in component.files if file.path == "model.onnx")
    place = content_path(world.place, model)
    if kind == "another file":
        place.write_bytes(right)
    else:
        place.rename(world.folder / "moved")
        place.symlink_to(world.folder / "moved")
    with pytest.raises(InvalidConfiguration, match="lacks its content"):
        check(world.repository(), component, ["golden"], EVIDENCE, CONFIG["gates"])
    assert world.repository().verdicts(component.digest) == []


def test_a_file_of_a_folder_that_becomes_a_link_gives_nothing(tmp_path: Path) -> None:
    """It was a plain file when the folder was looked at."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "file").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "pipe"):
        with pytest.raises(OSError, match=r"symbolic links|not a plain file"):
            open_regular(tmp_path / name)
