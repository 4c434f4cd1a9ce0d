"""The smartwatch task: read only as published, cut without a shared reading."""

from pathlib import Path

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration, InvalidData
from simulate.world import wearables
from simulate.world.wearables import FILE, Wearables


@pytest.fixture(scope="module")
def world() -> Wearables:
    return Wearables(root=None, sites=None)


@pytest.fixture(scope="module")
def published() -> Path:
    return wearables._find(None)


def test_ten_persons_are_the_sites_and_the_test_groups(world: Wearables) -> None:
    names = tuple(f"person-{number:02d}" for number in range(1, 11))
    assert world.sites == names
    assert world.test().groups == names


def test_each_person_has_all_exercises_in_recordings_that_are_blocks(world: Wearables) -> None:
    for index in range(10):
        windows = world.windows(index)
        assert len(set(windows.blocks)) == 14
        assert set(windows.labels.tolist()) == set(range(7))
        for block in range(14):
            assert len(set(windows.labels[windows.block_of == block].tolist())) == 1


def test_windows_are_cut_from_either_part_of_a_recording_with_half_overlap(
    world: Wearables, published: Path
) -> None:
    recording = wearables._read(published)[3]  # the first of person 1
    readings = recording.readings_TC.astype(np.float32)
    train = world.windows(0)
    own = train.values[train.block_of == train.blocks.index(recording.name)]
    border = len(readings) * 4 // 5
    assert np.array_equal(own[0], readings[:128])
    assert np.array_equal(own[1], readings[64:192])
    assert len(own) == (border - 128) // 64 + 1
    test = world.test().windows
    held_out = test.values[test.block_of == test.blocks.index(recording.name)]
    assert np.array_equal(held_out[0], readings[border : border + 128])
    assert len(held_out) == (len(readings) - border - 128) // 64 + 1


def test_no_reading_is_in_both_parts(world: Wearables) -> None:
    train = {row.tobytes() for i in range(10) for row in world.windows(i).values.reshape(-1, 6)}
    test = {row.tobytes() for row in world.test().windows.values.reshape(-1, 6)}
    # Readings of a still arm may repeat by chance; whole windows' worth of them can't.
    assert len(train & test) < 128


def test_the_test_set_belongs_to_the_chosen_persons(world: Wearables) -> None:
    few = Wearables(root=None, sites=3)
    assert few.sites == few.test().groups == world.sites[:3]
    mine = world.test().group_of < 3
    assert np.array_equal(few.test().windows.values, world.test().windows.values[mine])


def test_training_windows_are_those_of_an_independent_reading(
    world: Wearables, shared_data: Path
) -> None:
    with np.load(shared_data / "watch_shoulder.npz") as other:
        rows = (other["subject"] == 4) & (other["split_local"] == 0)
        pairs = zip(other["x"][rows], other["y"][rows], strict=True)
        expected = {values.tobytes(): int(label) for values, label in pairs}
    own = world.windows(3)
    for values, label in zip(own.values, own.labels, strict=True):
        assert expected[values.tobytes()] == label


def test_the_file_may_be_given_by_folder_or_name(published: Path) -> None:
    for root in (published, published.parent):
        assert len(Wearables(str(root), sites=1).sites) == 1


def test_another_pickle_is_never_unpickled(tmp_path: Path, published: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "sprung",)

    np.save(tmp_path / FILE, np.array(Trap(), dtype=object), allow_pickle=True)
    with pytest.raises(InvalidData, match=r"watch_dataset\.npy of seglearn 1\.2\.5.*pip install"):
        Wearables(str(tmp_path), sites=None)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:-9] + b"x" + b[-8:], lambda _: b""]
)
def test_a_damaged_file_is_refused(tmp_path: Path, published: Path, damage: object) -> None:
    assert callable(damage)
    (tmp_path / FILE).write_bytes(damage(published.read_bytes()))
    with pytest.raises(InvalidData, match="sha256"):
        Wearables(str(tmp_path), sites=None)


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"must exist.*pip install seglearn==1\.2\.5"):
        Wearables(str(tmp_path), sites=None)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(__import__("sys").modules, "seglearn", raising=False)
    with pytest.raises(InvalidData, match=r"package seglearn.*pip install seglearn==1\.2\.5"):
        Wearables(None, sites=None)


@pytest.mark.parametrize("sites", [11, 0, -1, True, 2.0])
def test_only_existing_sites_can_be_asked_for(sites: int) -> None:
    with pytest.raises(InvalidConfiguration, match=f"sites={sites}: must be"):
        Wearables(None, sites)
