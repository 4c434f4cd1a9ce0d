"""Content and descriptions that lie, archives that break out, and damage of every kind."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tuf.api.metadata import TargetFile

from fl_common.components.description import Component, Kind, Stage, target_path
from fl_common.errors import InvalidData, UpdateRefused
from fl_common.files.whole import write_whole
from fl_server.repository.store.archive import content_of
from fl_server.repository.store.contents import content_path
from tests.support.repositories import World


def test_a_manifest_that_lies_about_the_digest_of_its_content(world: World) -> None:
    """The testing key signs a manifest whose files have other digests than it says."""
    honest = world.add(b"content")
    repository = world.repository()
    lie = json.loads(honest.manifest)
    lie["files"][0]["sha256"] = "0" * 64
    lying = Component.from_manifest(_canonical(lie))
    write_whole(content_path(world.place, lying.files[0]), b"content")
    with repository.change():
        repository.point(Stage.TESTING, lying, "added")
    reader = world.reader()
    reader.refresh()
    found = reader.current(Kind.MODEL, "activity", Stage.TESTING)
    assert found == lying
    with pytest.raises(UpdateRefused, match=r"model\.onnx"):
        reader.fetch(found)
    assert reader.held(lying.digest) is None


def test_a_description_can_not_claim_a_digest(world: World) -> None:
    with pytest.raises(InvalidData, match="digest"):
        world.add(digest="0" * 64)


def test_a_signed_name_that_leads_to_another_component(world: World) -> None:
    """The list of testing has one name lead to the manifest of another."""
    other = world.add(name="other")
    world.add(name="activity")
    repository, path = world.repository(), target_path(Kind.MODEL, "activity", Stage.TESTING)
    with repository.change():
        name = repository.signed.bin_of(Stage.TESTING, path)
        with repository.signed.edit_targets(name) as targets:
            targets.targets[path] = TargetFile(len(other.manifest), {"sha256": other.digest}, path)
    folder = world.place / "targets" / "testing" / "model"
    (folder / f"{other.digest}.activity.json").write_bytes(other.manifest)
    reader = world.reader()
    reader.refresh()
    with pytest.raises(UpdateRefused, match="describes model other"):
        reader.current(Kind.MODEL, "activity", Stage.TESTING)


def _zip_with(name: str, mode: int = 0o100644) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, "content")
        return path

    return make


def _tar_with(name: str, kind: bytes = tarfile.REGTYPE) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "a.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, 7 if kind == tarfile.REGTYPE else 0
            info.linkname = "../../outside"
            archive.addfile(info, io.BytesIO(b"content"))
        return path

    return make


@pytest.mark.parametrize(
    "make",
    [
        _zip_with("../outside"),
        _zip_with("/outside"),
        _zip_with("a/../../outside"),
        _zip_with("a\\..\\..\\outside"),
        _zip_with("link", 0o120777),
        _tar_with("../outside"),
        _tar_with("/outside"),
        _tar_with("link", tarfile.SYMTYPE),
        _tar_with("link", tarfile.LNKTYPE),
        _tar_with("device", tarfile.CHRTYPE),
        _tar_with("pipe", tarfile.FIFOTYPE),
    ],
)
def test_an_archive_with_paths_outside_or_links_is_refused(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    inside = tmp_path / "deep" / "inside"
    inside.mkdir(parents=True)
    archive = make(tmp_path)
    before = {path for path in tmp_path.rglob("*") if inside not in path.parents}
    with pytest.raises(InvalidData):
        content_of(archive, inside, 1000)
    assert {path for path in tmp_path.rglob("*") if inside not in path.parents} == before


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path, inside = tmp_path / "bomb.zip", tmp_path / "inside"
    inside.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10_000_000))
    with pytest.raises(InvalidData, match="more than 100000 bytes"):
        content_of(path, inside, 100_000)


def test_an_archive_of_plain_files_is_unpacked(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    files = content_of(_tar_with("a/b.py")(tmp_path), inside, 1000)
    assert {name: path.read_bytes() for name, path in files.items()} == {"a/b.py": b"content"}


def test_a_symlink_is_refused(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "component"
    secret.write_text("secret")
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    for path in (folder, folder / "link"):
        with pytest.raises(InvalidData, match="link"):
            content_of(path, tmp_path, 1000)


def test_a_symlink_in_the_place_of_fetched_content_is_not_held(world: World) -> None:
    added = world.add(b"content")
    reader = world.reader()
    reader.refresh()
    file = reader.fetch(added) / "model.onnx"
    outside = world.folder / "outside"
    file.rename(outside)
    file.symlink_to(outside)
    assert reader.held(added.digest) is None
    assert not (reader.fetch(added) / "model.onnx").is_symlink()


def test_a_wrong_manifest_is_told_in_one_line(world: World) -> None:
    with pytest.raises(InvalidData) as caught:
        world.add(metrics={"a\nb": "not a number\n"})
    assert "\n" not in str(caught.value)


def _canonical(fields: object) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("name", [".env", ".git/config"])
def test_hidden_files_are_refused_by_name(tmp_path: Path, name: str) -> None:
    folder, inside = tmp_path / "component", tmp_path / "inside"
    inside.mkdir()
    path = folder / name
    path.parent.mkdir(parents=True)
    path.write_text("PASSWORD=1")
    for source in (folder, _tar_with(name)(tmp_path)):
        with pytest.raises(InvalidData, match=f"hidden file, '{name}'"):
            content_of(source, inside, 1000)
