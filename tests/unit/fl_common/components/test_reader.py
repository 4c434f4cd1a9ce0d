"""What a site gets from a repository's folder: the current component, whole and verified."""

import pytest

from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import InvalidData, UpdateRefused
from tests.support.repositories import World


def test_a_site_gets_what_was_added(world: World) -> None:
    added = world.add(b"weights")
    reader = world.reader()
    reader.refresh()
    current = reader.current(Kind.MODEL, "activity", Stage.TESTING)
    assert current == added
    folder = reader.fetch(current)
    assert (folder / "model.onnx").read_bytes() == b"weights"
    assert Component.from_manifest((folder / "manifest.json").read_bytes()) == added
    assert reader.held(added.digest) == folder


def test_what_is_in_testing_is_not_in_production(world: World) -> None:
    world.add()
    reader = world.reader()
    reader.refresh()
    assert reader.current(Kind.MODEL, "activity", Stage.PRODUCTION) is None
    assert reader.current(Kind.FUNCTION, "activity", Stage.TESTING) is None


def test_a_component_that_was_damaged_on_the_site_is_fetched_again(world: World) -> None:
    added = world.add(b"weights")
    reader = world.reader()
    reader.refresh()
    folder = reader.fetch(added)
    (folder / "model.onnx").write_bytes(b"WEIGHTS")
    assert reader.held(added.digest) is None
    assert (reader.fetch(added) / "model.onnx").read_bytes() == b"weights"


def test_what_is_held_needs_no_repository(world: World) -> None:
    added = world.add()
    reader = world.reader()
    reader.refresh()
    folder = reader.fetch(added)
    offline = world.reader(world.folder / "nowhere")
    assert offline.fetch(added) == folder
    with pytest.raises(UpdateRefused, match="refresh first"):
        offline.current(Kind.MODEL, "activity", Stage.TESTING)


def test_an_old_component_is_deleted_and_the_kept_one_stays(world: World) -> None:
    reader = world.reader()
    first, second = world.add(), world.add()
    reader.refresh()
    folders = [reader.fetch(first), reader.fetch(second)]
    reader.keep_only([second.digest])
    assert [folder.is_dir() for folder in folders] == [False, True]


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/cron.d/x", "a/../../b", "a//b", ".hidden", "a\\b", "manifest.json"]
)
def test_a_manifest_whose_path_leaves_its_folder_is_refused(world: World, path: str) -> None:
    manifest = world.add().manifest.replace(b"model.onnx", path.encode().replace(b"\\", b"\\\\"))
    with pytest.raises(InvalidData):
        Component.from_manifest(manifest)


def test_one_component_has_one_identity(world: World) -> None:
    manifest = world.add().manifest
    with pytest.raises(InvalidData, match="canonical"):
        Component.from_manifest(manifest.replace(b",", b", ", 1))


def test_a_version_is_never_overwritten(world: World) -> None:
    first = world.add(b"one", version="1.0")
    with pytest.raises(InvalidData, match="is there already"):
        world.add(b"two", version="1.0")
    assert world.add(b"one", version="1.0") == first
