"""What stolen keys can do and what not; how roles get new ones; where keys may lie."""

import shutil

import pytest
from tuf.api.exceptions import (
    UnsignedMetadataError,
)
from tuf.api.metadata import TargetFile

from fl_common.components.description import Component, ContentFile, Kind, Stage
from fl_common.components.reader import Reader
from fl_common.errors import InvalidConfiguration
from fl_server.repository.store.keys import KeyRing
from fl_server.repository.store.repository import ComponentRepository, RepositorySettings
from fl_server.repository.store.upkeep import replace_keys
from tests.support.repositories import (
    EXPIRY_DAYS,
    World,
    metadata,
    overwrite,
    refused,
    signed_of,
    take,
)

MODEL, TESTING, PRODUCTION = Kind.MODEL, Stage.TESTING, Stage.PRODUCTION


def test_key_compromise_of_testing_does_not_reach_production(world: World, site: Reader) -> None:
    """With the keys of testing and both online keys, the attacker signs a component for production.

    First as an entry of testing's own lists, then as the lists of production.
    """
    world.add(b"good")
    good = _promoted(world)
    assert take(site, PRODUCTION) == good
    stolen = world.folder / "stolen"
    stolen.mkdir(mode=0o700)
    for path in world.keys.iterdir():
        if path.name.startswith(("testing", "snapshot", "timestamp")):
            (stolen / path.name).write_bytes(path.read_bytes())
            (stolen / path.name).chmod(0o600)
    thief = signed_of(world, stolen)
    evil = Component(MODEL, "activity", "9", (ContentFile("m", 1, "0" * 64),), {"licence": "MIT"})
    listed = "production/model/activity.json"
    target = TargetFile(len(evil.manifest), {"sha256": evil.digest}, listed)
    for name in thief.bins(TESTING):
        with thief.edit_targets(name) as targets:
            targets.targets[listed] = target
    thief.commit()
    assert take(site, PRODUCTION) == good

    thief = signed_of(world, stolen)
    name = thief.bin_of(PRODUCTION, listed)
    forged = thief.open(name)
    forged.signed.targets[listed] = target
    forged.signed.version += 1
    (signer,) = thief.signers(TESTING)
    forged.sign(signer)
    overwrite(world, f"{forged.signed.version}.{name}.json", forged)
    with thief.edit_snapshot() as snapshot:
        snapshot.meta[f"{name}.json"].version = forged.signed.version
    thief.do_timestamp()
    thief.commit()
    assert isinstance(refused(site, PRODUCTION), UnsignedMetadataError)
    assert site.held(good.digest) is not None


def test_after_a_key_compromise_new_keys_end_the_old_ones(world: World, site: Reader) -> None:
    """The testing keys are replaced: what the thief signs is refused, what was good goes on."""
    first = world.add()
    stolen = world.folder / "stolen"
    shutil.copytree(world.keys, stolen)
    shutil.copymode(world.keys, stolen)
    replace_keys(world.repository(), TESTING)
    assert take(site) == first
    second = world.add()
    assert take(site) == second
    events = world.repository().history(MODEL, "activity", TESTING)
    assert [event.digest for event in events] == [first.digest, second.digest]
    for path in world.keys.glob("testing-*"):
        if not (stolen / path.name).exists():
            path.unlink()
    with pytest.raises(InvalidConfiguration, match="0 keys of testing at hand"):
        world.add()


@pytest.mark.parametrize(
    "role", ["root", "targets", "production", "gates", "snapshot", "timestamp"]
)
def test_every_role_can_get_new_keys(world: World, site: Reader, role: str) -> None:
    added = world.add()
    site.refresh()
    replace_keys(world.repository(), role)
    assert take(site) == added
    assert take(world.reader(name="new")) == added


def _promoted(world: World) -> Component:
    """Put what is in testing into production."""
    repository = world.repository()
    with repository.change():
        entry = repository.entry(MODEL, "activity", TESTING)
        assert entry is not None
        repository.point(PRODUCTION, entry.component, "promoted")
    return entry.component


def test_key_files_are_their_owners_alone(world: World) -> None:
    assert {path.stat().st_mode & 0o777 for path in world.keys.iterdir()} == {0o600}
    assert world.keys.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_file_that_others_may_read_is_refused(world: World, mode: int) -> None:
    (world.keys / "testing-1.pem").chmod(mode)
    with pytest.raises(InvalidConfiguration, match="chmod 600"):
        world.add()


def test_keys_can_come_from_the_environment(world: World) -> None:
    added = world.add()
    names = ("production", "snapshot", "timestamp")
    environment = {
        f"FL_REPO_KEY_{name.upper()}": "".join(p.read_text() for p in world.keys.glob(f"{name}-*"))
        for name in names
    }
    repository = ComponentRepository(
        world.place,
        KeyRing(world.folder / "none", environment),
        RepositorySettings(EXPIRY_DAYS, 60),
        world.now,
    )
    with repository.change():
        repository.point(PRODUCTION, added, "promoted")
    entry = repository.entry(MODEL, "activity", PRODUCTION)
    assert entry is not None
    assert entry.component == added


def test_fewer_keys_than_the_threshold_sign_nothing(world: World) -> None:
    added = world.add()
    before = sorted(path.read_bytes() for path in metadata(world).iterdir())
    (world.keys / "production-2.pem").unlink()
    repository = world.repository()
    with (
        pytest.raises(InvalidConfiguration, match="1 key of production at hand: 2 of its 2"),
        repository.change(),
    ):
        repository.point(PRODUCTION, added, "promoted")
    assert sorted(path.read_bytes() for path in metadata(world).iterdir()) == before


def test_an_error_shows_nothing_of_a_key(world: World) -> None:
    key = world.keys / "testing-1.pem"
    text = key.read_text()
    damaged = text.replace("-----END", "A\n-----END")
    key.write_text(damaged)
    with pytest.raises(InvalidConfiguration) as caught:
        world.add()
    assert not any(line in str(caught.value) for line in text.splitlines()[1:-1])


def test_no_private_key_is_in_the_repository(world: World) -> None:
    world.add()
    for path in world.place.rglob("*"):
        if path.is_file():
            assert b"PRIVATE" not in path.read_bytes()
