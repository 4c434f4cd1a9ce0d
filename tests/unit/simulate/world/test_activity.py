"""UCI HAR in the archive's own layout: folder, zip, zip in a zip; and what can be wrong."""

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration, InvalidData
from models import tasks
from simulate.world import activity
from simulate.world.activity import Activity
from tests.unit.simulate.world.test_download import Site, serve  # noqa: F401  (a fixture)

NAME = "UCI HAR Dataset"
TRAIN_PERSONS = [3, 1, 1, 7, 3, 3]
TEST_PERSONS = [2, 4, 4]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "join-the-dots"


def number(value: float) -> str:
    """As the archive prints it: a three-digit exponent."""
    mantissa, exponent = f"{value: .7e}".split("e")
    return f" {mantissa}e{exponent[0]}{int(exponent[1:]):03d}"


def write_part(folder: Path, part: str, persons: list[int], seed: int) -> np.ndarray:
    signals = folder / part / "Inertial Signals"
    signals.mkdir(parents=True)
    values = np.random.default_rng(seed).normal(size=(len(persons), 128, 9)).astype(np.float32)
    for channel, name in enumerate(tasks.activity().channels):
        lines = ("".join(map(number, row)) + "\n" for row in values[:, :, channel])
        (signals / f"{name}_{part}.txt").write_text("".join(lines))
    labels = [1 + n % 6 for n in range(len(persons))]
    (folder / part / f"y_{part}.txt").write_text("".join(f"{label}\n" for label in labels))
    (folder / part / f"subject_{part}.txt").write_text("".join(f"{p}\n" for p in persons))
    return values


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small archive, unpacked: three training persons, two test persons."""
    root = tmp_path / "data" / NAME
    write_part(root, "train", TRAIN_PERSONS, seed=1)
    write_part(root, "test", TEST_PERSONS, seed=2)
    return root


def zipped(folder: Path, to: Path) -> Path:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"__MACOSX/{NAME}/train/._y_train.txt", "")
        for path in sorted(folder.rglob("*.txt")):
            file.write(path, f"{NAME}/{path.relative_to(folder)}")
    return to


def zipped_twice(folder: Path, to: Path) -> Path:
    inner = zipped(folder, to.with_name("inner"))
    with zipfile.ZipFile(to, "w") as file:
        file.write(inner, f"{NAME}.zip")
        file.writestr(f"{NAME}.names", "about the data")
    inner.unlink()
    return to


def test_training_persons_are_sites_and_test_persons_the_test_set(folder: Path) -> None:
    world = Activity(str(folder), sites=None)
    assert world.sites == ("subject-01", "subject-03", "subject-07")
    assert world.test().groups == ("subject-02", "subject-04")
    assert world.test().group_of.tolist() == [0, 1, 1]
    assert [world.windows(i).labels.tolist() for i in range(3)] == [[1, 2], [0, 4, 5], [3]]
    expected = np.random.default_rng(1).normal(size=(6, 128, 9)).astype(np.float32)
    for site, person in enumerate((1, 3, 7)):
        rows = np.array(TRAIN_PERSONS) == person
        assert np.allclose(world.windows(site).values, expected[rows], rtol=1e-6)
    test = np.random.default_rng(2).normal(size=(3, 128, 9))
    assert np.allclose(world.test().windows.values, test, rtol=1e-6)


@pytest.mark.parametrize("pack", [zipped, zipped_twice])
@pytest.mark.parametrize("by_folder", [True, False])
def test_every_form_of_the_archive_gives_the_same_windows(
    folder: Path, tmp_path: Path, pack: Callable[[Path, Path], Path], by_folder: bool
) -> None:
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / "another.zip").write_bytes(b"not a zip")
    packed = pack(folder, tmp_path / "download" / "har.zip")
    world = Activity(str(packed.parent if by_folder else packed), sites=None)
    for root in (folder, folder.parent):
        unpacked = Activity(str(root), sites=None)
        assert world.sites == unpacked.sites
        for index in range(3):
            assert np.array_equal(world.windows(index).values, unpacked.windows(index).values)


def test_a_parsed_archive_is_read_from_the_cache(folder: Path, cache: Path) -> None:
    first = Activity(str(folder), sites=None)
    signal = folder / "train" / "Inertial Signals" / "body_acc_x_train.txt"
    before = signal.stat()
    text = signal.read_text()
    signal.write_text("x" * len(text))  # same size, and below the same time
    os.utime(signal, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = Activity(str(folder), sites=None)
    assert np.array_equal(first.windows(0).values, again.windows(0).values)
    assert len(list(cache.iterdir())) == 1


def test_a_changed_archive_is_read_anew(folder: Path) -> None:
    Activity(str(folder), sites=None)
    signal = folder / "train" / "Inertial Signals" / "body_acc_x_train.txt"
    signal.write_text(signal.read_text().replace("1", "2"))
    os.utime(signal, ns=(1, 1))
    changed = Activity(str(folder), sites=None).windows(0).values
    assert not np.allclose(
        changed, np.random.default_rng(1).normal(size=(6, 128, 9))[1:3], rtol=1e-6
    )


def test_a_damaged_cache_is_replaced(folder: Path, cache: Path) -> None:
    first = Activity(str(folder), sites=None).windows(0).values
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    assert np.array_equal(first, Activity(str(folder), sites=None).windows(0).values)
    assert kept.stat().st_size > 1000


def test_a_cache_that_cant_be_written_is_no_error(folder: Path, cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be")
    assert len(Activity(str(folder), sites=None).sites) == 3


def edit(name: str, change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")

    return damage


ACC = "train/Inertial Signals/body_acc_x_train.txt"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (edit(ACC, lambda r: [*r[:2], r[2][:-16], *r[3:]]), "body_acc_x_train.txt: must hold 128"),
        (edit(ACC, lambda r: [row[16:] for row in r]), "128 numbers on every line, not 127"),
        (edit(ACC, lambda r: [row + " 1.0" for row in r]), "128 numbers on every line, not 129"),
        (edit(ACC, lambda r: [*r[:2], "x" + r[2][1:], *r[3:]]), "must hold 128 numbers"),
        (edit(ACC, lambda r: [*r[:2], "NaN" + r[2][16:], *r[3:]]), r"1 of 6 windows \(first: 3\)"),
        (edit(ACC, lambda r: ["-inf" + r[0][16:], *r[1:]]), "NaN or infinity"),
        (edit(ACC, lambda r: [" 1e99" + r[0][16:], *r[1:]]), "NaN or infinity"),
        (edit(ACC, lambda r: r[:-1]), "body_acc_x 5, body_acc_y 6"),
        (edit(ACC, lambda _: []), "must not be empty"),
        (edit("train/y_train.txt", lambda r: r[:-1]), "y 5, subject 6: must be equally many"),
        (edit("test/subject_test.txt", lambda r: r[:-1]), "y 3, subject 2: must be equally many"),
        (edit("train/y_train.txt", lambda r: ["7", *r[1:]]), r"to 7: must lie in 1\.\.6"),
        (edit("test/y_test.txt", lambda r: ["0", *r[1:]]), r"from 0 to 3: must lie in 1\.\.6"),
        (edit("train/y_train.txt", lambda r: ["1.5", *r[1:]]), "y_train.txt: must hold 1 numbers"),
        (edit("train/subject_train.txt", lambda r: [f"{p} 1" for p in r]), "1 numbers .* not 2"),
        (lambda f: (f / ACC).unlink(), "body_acc_x_train.txt: must exist"),
        (lambda f: shutil.rmtree(f / "test"), 'must hold "UCI HAR Dataset"'),
    ],
)
def test_a_damaged_archive_is_refused_by_name(
    folder: Path, cache: Path, damage: Callable[[Path], None], says: str
) -> None:
    damage(folder)
    with pytest.raises(InvalidData, match=says):
        Activity(str(folder), sites=None)
    assert not cache.exists()


@pytest.mark.parametrize("by_folder", [True, False])
def test_a_cut_zip_is_refused(folder: Path, tmp_path: Path, by_folder: bool) -> None:
    (tmp_path / "download").mkdir()
    packed = zipped(folder, tmp_path / "download" / "har.zip")
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    with pytest.raises(InvalidData, match=r"har\.zip.* is cut or no zip"):
        Activity(str(packed.parent if by_folder else packed), sites=None)


def test_a_zip_with_a_flipped_byte_is_refused(folder: Path, tmp_path: Path) -> None:
    packed = zipped(folder, tmp_path / "har.zip")
    content = bytearray(packed.read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        info = file.getinfo(f"{NAME}/{ACC}")
    content[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 0xFF
    packed.write_bytes(content)
    with pytest.raises(InvalidData, match=r"body_acc_x_train\.txt: can't be read"):
        Activity(str(packed), sites=None)


def test_another_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "har.zip", "w") as file:
        file.writestr("readme.txt", "nothing here")
    with pytest.raises(InvalidData, match="holds no UCI HAR Dataset"):
        Activity(str(tmp_path / "har.zip"), sites=None)


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="nowhere: must exist"):
        Activity(str(tmp_path / "nowhere"), sites=None)


def test_without_a_root_and_a_network_it_says_where_to_put_the_archive(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "URL", "http://127.0.0.1:9/human.zip")  # nobody answers there
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(InvalidData, match=r"can't be downloaded.*set data\.root") as caught:
        Activity(None, sites=None)
    assert str(cache / "uci-har.zip") in str(caught.value)


def test_a_download_is_kept_and_compared_with_its_first_checksum(
    folder: Path,
    cache: Path,
    tmp_path: Path,
    serve: Site,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve.files["/human.zip"] = zipped_twice(folder, tmp_path / "human.zip").read_bytes()
    monkeypatch.setattr(activity, "URL", f"{serve.address}/human.zip")
    for _ in range(2):
        assert len(Activity(None, sites=None).sites) == 3
    assert serve.asked == ["/human.zip"]
    zipped(folder, cache / "uci-har.zip")  # the same windows, in another file
    with pytest.raises(InvalidData, match=r"must have the sha256 recorded in uci-har\.zip\.sha256"):
        Activity(None, sites=None)


def test_an_archive_put_into_the_cache_folder_is_found(folder: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    zipped_twice(folder, cache / "uci-har.zip")
    assert len(Activity(None, sites=None).sites) == 3


def test_more_sites_than_training_persons_are_refused(folder: Path) -> None:
    assert Activity(str(folder), sites=2).sites == ("subject-01", "subject-03")
    with pytest.raises(InvalidConfiguration, match="sites=4: must be at most 3"):
        Activity(str(folder), sites=4)


@pytest.mark.slow
def test_the_whole_archive_is_read_as_its_reconstruction_says(shared_data: Path) -> None:
    world = Activity(str(shared_data), sites=None)
    with np.load(shared_data / "ucihar.npz") as other:
        test = other["split"] == 1
        assert len(world.sites) == 21
        assert len(world.test().groups) == 9
        assert np.abs(world.test().windows.values - other["x"][test]).max() < 1e-5
        assert np.array_equal(world.test().windows.labels, other["y"][test])
        for index, name in enumerate(world.sites):
            rows = other["subject"] == int(name[-2:])
            assert np.array_equal(world.windows(index).labels, other["y"][rows])
            assert np.abs(world.windows(index).values - other["x"][rows]).max() < 1e-5
