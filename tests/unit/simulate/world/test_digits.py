"""MNIST from torchvision's layout, from npz files and from a download; and what can be wrong."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration, InvalidData
from models.parts.torchvision_import import import_torchvision
from simulate.world.digits import Digits
from simulate.world.partition import Dirichlet, Iid, Shards
from tests.unit.simulate.world.small_mnist import Data, arrays, idx, keras, raw_files, write_raw
from tests.unit.simulate.world.test_download import Site, serve  # noqa: F401  (a fixture)

Damage = Callable[[Data], object]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "join-the-dots"


def world(root: Path | None, sites: int | None = 4, **changes: Any) -> Digits:
    given = {"default_sites": 5, "partition": Iid(0, None), **changes}
    return Digits(None if root is None else str(root), sites, **given)


def assert_holds(found: Digits, data: Data) -> None:
    test = data["split"] == 1
    assert np.array_equal(found.test().windows.values[:, 0], data["x"][test])
    assert np.array_equal(found.test().windows.labels, data["y"][test])
    everyone = [found.windows(index) for index in range(len(found.sites))]
    pairs = {
        (image.astype(np.uint8).tobytes(), int(label))
        for own in everyone
        for image, label in zip(own.values, own.labels, strict=True)
    }
    expected = zip(data["x"][~test], data["y"][~test], strict=True)
    assert pairs == {(image.tobytes(), int(label)) for image, label in expected}


def test_torchvisions_own_layout_is_read(tmp_path: Path) -> None:
    write_raw(tmp_path, arrays())
    assert_holds(world(tmp_path), arrays())


@pytest.mark.parametrize("layout", [dict, keras])
@pytest.mark.parametrize("by_folder", [True, False])
def test_npz_files_of_either_layout_are_read(
    tmp_path: Path, layout: Callable[..., Data], by_folder: bool
) -> None:
    np.savez_compressed(tmp_path / "mnist.npz", **layout(arrays()))
    assert_holds(world(tmp_path if by_folder else tmp_path / "mnist.npz"), arrays())


def test_sites_are_divided_by_the_rule(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", **arrays())
    for rule in (Iid(3, None), Dirichlet(3, None, 1.0), Shards(3, None, 2)):
        assert_holds(world(tmp_path, partition=rule), arrays())
    first, second = (world(tmp_path, partition=Iid(seed, None)) for seed in (0, 1))
    assert not np.array_equal(first.windows(0).values, second.windows(0).values)


def test_without_a_number_of_sites_there_are_the_default_ones(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", **arrays())
    assert list(world(tmp_path, None).sites) == [f"site-{n}" for n in range(5)]


def test_a_million_sites_are_named_and_cut_only_when_asked(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", **arrays())
    many = world(tmp_path, 10**6, partition=Iid(0, 8))
    assert len(many.sites) == 10**6
    assert many.sites[999_999] == "site-999999"
    assert many.sites[5:7] == ("site-000005", "site-000006")
    assert len(many.windows(999_999)) == 8
    with pytest.raises(IndexError):
        many.sites[10**6]


@pytest.mark.parametrize("sites", [0, -1, True, 2.5])
def test_a_number_of_sites_below_one_is_refused(tmp_path: Path, sites: int) -> None:
    np.savez(tmp_path / "mnist.npz", **arrays())
    with pytest.raises(InvalidConfiguration, match=f"sites={sites}: must be a whole number from 1"):
        world(tmp_path, sites)


def test_more_sites_than_images_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", **arrays())
    with pytest.raises(InvalidConfiguration, match=r"sites=41.*at most 40.*samples_per_site"):
        world(tmp_path, 41)


def changed(name: str, value: object) -> Damage:
    return lambda data: data.update({name: np.array(value)})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data.pop("split"), "with x, y: must also hold split"),
        (lambda data: data.pop("y"), "must also hold y"),
        (changed("y", [10] * 60), r"labels from 10 to 10: must lie in 0\.\.9"),
        (changed("y", [1] * 59), "x 60, y 59, split 60: must be equally many"),
        (changed("split", [0] * 59), "x 60, y 60, split 59: must be equally many"),
        (changed("split", 0), "split 1: must be equally many"),
        (changed("y", ["1"] * 60), "labels of .* must be one whole number"),
        (changed("split", [0] * 60), r"images of shape \(0, 28, 28\)"),
        (changed("x", np.zeros((60, 28, 27), np.uint8)), r"images of shape \(40, 28, 27\)"),
        (changed("x", np.zeros((60, 28, 28, 3), np.uint8)), r"must be \(N, 28, 28\)"),
        (changed("x", np.zeros((60, 28, 28))), "type float64: must be .* of uint8"),
        (changed("y", [["1"]] * 60), "labels of shape"),
        (changed("y", np.array([None] * 60)), "without object arrays: those are pickles"),
    ],
)
def test_a_damaged_npz_is_refused(tmp_path: Path, damage: Damage, says: str) -> None:
    data = arrays()
    damage(data)
    np.savez(tmp_path / "mnist.npz", **data)
    with pytest.raises(InvalidData, match=says):
        world(tmp_path)


def test_a_keras_file_without_its_test_part_is_refused(tmp_path: Path) -> None:
    data = keras(arrays())
    del data["y_test"]
    np.savez(tmp_path / "mnist.npz", **data)
    with pytest.raises(InvalidData, match="must also hold y_test"):
        world(tmp_path)


@pytest.mark.parametrize("keep", [0, 10, 2000, 25_000])
def test_a_cut_npz_is_refused(tmp_path: Path, keep: int) -> None:
    np.savez_compressed(tmp_path / "mnist.npz", **arrays())
    content = (tmp_path / "mnist.npz").read_bytes()
    assert keep < len(content)
    (tmp_path / "mnist.npz").write_bytes(content[:keep])
    with pytest.raises(InvalidData, match="must be an undamaged npz file"):
        world(tmp_path)


@pytest.mark.parametrize("size", [1, 1000])
def test_an_npz_with_changed_bytes_is_refused(tmp_path: Path, size: int) -> None:
    np.savez_compressed(tmp_path / "mnist.npz", **arrays())
    content = bytearray((tmp_path / "mnist.npz").read_bytes())
    content[1000 : 1000 + size] = bytes(255 - byte for byte in content[1000 : 1000 + size])
    (tmp_path / "mnist.npz").write_bytes(content)
    with pytest.raises(InvalidData, match="must be an undamaged npz file"):
        world(tmp_path)


def test_an_npy_file_is_no_npz(tmp_path: Path) -> None:
    with (tmp_path / "mnist.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InvalidData, match="must be an npz file"):
        world(tmp_path)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        (IMAGES, lambda b: b[:-100], "undamaged MNIST files"),
        (IMAGES, lambda _: b"", "undamaged MNIST files"),
        (IMAGES, lambda b: b"\xff\xff\xff\xff" + b[4:], "undamaged MNIST files"),
        (LABELS, lambda b: b[:-1], "undamaged MNIST files"),
        (LABELS, lambda _: idx(np.zeros(39, np.uint8)), "images 40, labels 39"),
        (LABELS, lambda _: idx(np.full(40, 12, np.uint8)), r"must lie in 0\.\.9"),
        (IMAGES, lambda _: idx(np.zeros((40, 20, 20), np.uint8)), r"must be \(N, 28, 28\)"),
    ],
)
def test_damaged_idx_files_are_refused(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes], says: str
) -> None:
    path = write_raw(tmp_path, arrays()) / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidData, match=says):
        world(tmp_path)


def test_a_missing_idx_file_is_refused(tmp_path: Path) -> None:
    (write_raw(tmp_path, arrays()) / LABELS).unlink()
    with pytest.raises(InvalidData, match="must hold undamaged MNIST files"):
        world(tmp_path)


def test_a_folder_without_mnist_is_refused_and_nothing_is_downloaded_to_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(InvalidData, match=r"MNIST/raw.*or mnist\.npz.*leave data\.root out"):
        world(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_unpacked_files_need_no_archives(published: Site, tmp_path: Path) -> None:
    raw = write_raw(tmp_path, arrays())
    (raw / f"{LABELS}.gz").write_bytes(b"not the published one")
    assert_holds(world(tmp_path), arrays())


@pytest.mark.parametrize("order", [1, -1])
def test_any_mirror_will_do(published: Site, monkeypatch: pytest.MonkeyPatch, order: int) -> None:
    mirrors = ["http://127.0.0.1:9/", f"{published.address}/"]
    monkeypatch.setattr(import_torchvision().datasets.MNIST, "mirrors", mirrors[::order])
    assert_holds(world(None), arrays())


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, serve: Site) -> Site:  # noqa: F811
    """A mirror with a small MNIST; torchvision knows its address and checksums."""
    mnist = import_torchvision().datasets.MNIST
    packed = {f"{name}.gz": gzip.compress(raw) for name, raw in raw_files(arrays()).items()}
    serve.files.update({f"/{name}": content for name, content in packed.items()})
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(mnist, "resources", sums)
    monkeypatch.setattr(mnist, "mirrors", [f"{serve.address}/"])
    return serve


def test_without_a_root_it_is_downloaded_once(published: Site, cache: Path) -> None:
    assert_holds(world(None), arrays())
    asked = list(published.asked)
    assert len(asked) == 4
    assert_holds(world(None), arrays())
    assert published.asked == asked
    assert (cache / "MNIST" / "raw" / IMAGES).is_file()


def test_a_download_with_a_wrong_checksum_is_refused(published: Site, cache: Path) -> None:
    published.files[f"/{IMAGES}.gz"] += b"x"
    with pytest.raises(InvalidData, match=r"images-idx3-ubyte\.gz: must have md5"):
        world(None)
    assert not any((cache / "MNIST" / "raw").glob("*images*"))


def test_a_packed_file_with_a_wrong_checksum_is_refused(published: Site, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in published.files.items():
        (raw / name[1:]).write_bytes(content)
    (raw / f"{LABELS}.gz").write_bytes(gzip.compress(b"other"))
    with pytest.raises(InvalidData, match=f"{LABELS}.gz has md5"):
        world(tmp_path)
    assert published.asked == []


def test_a_packed_file_that_unpacks_without_end_is_refused(
    published: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in published.files.items():
        (raw / name[1:]).write_bytes(content)
    monkeypatch.setattr("simulate.world.digits_files._MOST_BYTES", 20)
    with pytest.raises(InvalidData, match="unpacks to more than 20 bytes"):
        world(tmp_path)


def test_without_a_network_it_says_where_to_put_the_files(
    published: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mnist = import_torchvision().datasets.MNIST
    monkeypatch.setattr(mnist, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(InvalidData, match=r"can't be downloaded.*Without a network") as caught:
        world(None)
    assert str(cache / "MNIST" / "raw") in str(caught.value)


def test_the_whole_data_set_is_divided(shared_data: Path) -> None:
    whole = Digits(str(shared_data), 1000, 100, Iid(0, None))
    assert {len(whole.windows(index)) for index in (0, 1, 500, 999)} == {60}
    assert len(whole.test().windows) == 10_000
