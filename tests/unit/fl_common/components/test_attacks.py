"""The attacks of The Update Framework (specification, section 1.5.2) on a site's real client.

Each is carried out by who can write to the repository's web server, with the keys that the test
says were stolen; the site reads over HTTP. Nothing may come out of it but one of our two errors.
"""

import contextlib
import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    SlowRetrievalError,
    UnsignedMetadataError,
)

from fl_common.components.description import Component, Kind, Stage
from fl_common.components.reader import Limits, Reader
from fl_common.errors import RepositoryUnreachable
from tests.support.repositories import (
    LIMITS,
    Quiet,
    World,
    metadata,
    overwrite,
    refused,
    root_of,
    serving,
    signed_of,
    take,
)

MODEL, TESTING, PRODUCTION = Kind.MODEL, Stage.TESTING, Stage.PRODUCTION


def test_without_an_attack_the_site_follows(world: World, site: Reader) -> None:
    first = world.add()
    assert take(site) == first
    second = world.add()
    assert take(site) == second


def test_arbitrary_software_attack(world: World, site: Reader) -> None:
    """Content and manifest on the server are replaced."""
    added = world.add(b"good")
    content = world.place / "targets" / "content" / f"{added.files[0].sha256}.data"
    content.write_bytes(b"evil")
    assert isinstance(refused(site), LengthOrHashMismatchError)
    (manifest,) = (world.place / "targets" / "testing" / "model").iterdir()
    manifest.write_bytes(manifest.read_bytes().replace(b"Apache-2.0", b"Apache-9.9"))
    another = Reader(world.folder / "b", world.place, root_of(world), LIMITS)
    assert isinstance(refused(another), LengthOrHashMismatchError)
    assert site.held(added.digest) is None


def test_rollback_attack(world: World, site: Reader) -> None:
    """Everything on the server is put back as it was, signatures and all."""
    world.add(b"old, with a known weakness")
    old = {path: path.read_bytes() for path in metadata(world).iterdir()}
    new = world.add(b"new")
    assert take(site) == new
    for path, content in old.items():
        path.write_bytes(content)
    assert isinstance(refused(site), BadVersionNumberError)
    assert site.held(new.digest) is not None


def test_rollback_attack_with_the_timestamp_key(world: World, site: Reader) -> None:
    """A newer timestamp is made that points to the older snapshot."""
    world.add()
    old = metadata(world) / "2.snapshot.json"
    assert old.exists()
    world.add()
    take(site)
    signed = signed_of(world)
    with signed.edit_timestamp() as timestamp:
        timestamp.snapshot_meta.version = 2
        timestamp.snapshot_meta.hashes = timestamp.snapshot_meta.length = None
    overwrite(world, "timestamp.json", signed.open("timestamp"))
    assert isinstance(refused(site), BadVersionNumberError)


def test_indefinite_freeze_attack(world: World, site: Reader) -> None:
    """The server shows the same state for ever: its timestamp runs out, and nothing is taken."""
    world.late = -timedelta(days=1, hours=1)
    world.add()
    assert isinstance(refused(site), ExpiredMetadataError)
    world.late = timedelta()
    with world.repository().change(renew=True):
        pass
    assert take(site) is not None


def test_mix_and_match_attack(world: World, site: Reader) -> None:
    """Properly signed lists of different times are put together."""
    world.add()
    name = signed_of(world).bin_of(TESTING, "testing/model/activity.json")
    world.add()
    old, new = (metadata(world) / f"{version}.{name}.json" for version in (2, 3))
    new.write_bytes(old.read_bytes())
    assert isinstance(refused(site), BadVersionNumberError)


def test_endless_data_attack(world: World, site: Reader) -> None:
    """The server's answers do not end."""
    added = world.add(b"x" * 1000)
    content = world.place / "targets" / "content" / f"{added.files[0].sha256}.data"
    with content.open("ab") as file:
        file.truncate(50_000_000)
    assert isinstance(refused(site), DownloadLengthMismatchError)
    with (metadata(world) / "timestamp.json").open("ab") as file:
        file.truncate(50_000_000)
    assert isinstance(refused(site), DownloadLengthMismatchError)
    assert sum(path.stat().st_size for path in world.folder.joinpath("site").rglob("*")) < 100_000


def test_endless_data_that_a_stolen_testing_key_has_signed(world: World) -> None:
    """A component larger than a site accepts is not even begun."""
    world.add(b"x" * 5000)
    limits = Limits(20, 10, 100_000, component_bytes=4999)
    assert refused(Reader(world.folder / "site", world.place, root_of(world), limits)) is None


def test_extraneous_dependencies_attack(world: World, site: Reader) -> None:
    """A stack is made to need more than was signed: what a component needs is in its identity."""
    needed = {"kind": "model", "name": "activity", "digest": "0" * 64}
    added = world.add(requires=[needed])
    (manifest,) = (world.place / "targets" / "testing" / "model").iterdir()
    fields = json.loads(manifest.read_bytes())
    fields["description"]["requires"].append({**needed, "name": "malware"})
    text = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    changed = Component.from_manifest(text)
    assert changed.digest != added.digest
    manifest.write_bytes(text)
    assert isinstance(refused(site), RepositoryError | DownloadLengthMismatchError)


def test_slow_retrieval_attack(world: World) -> None:
    """The server sends a byte, and again a byte, so that no gap is ever long."""
    world.add()
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0  # a second passes at each look
        return now[0]

    class Trickle(Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(10**9))
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b" ")
                    self.wfile.flush()

    with serving(Trickle) as address:
        limits = Limits(5, 10**6, 100_000, 10**7)
        reader = Reader(world.folder / "site", address, root_of(world), limits, clock)
        with pytest.raises(RepositoryUnreachable) as caught:
            reader.refresh()
    assert isinstance(caught.value.__cause__, SlowRetrievalError)


@pytest.mark.slow
def test_slow_retrieval_where_nothing_comes(world: World) -> None:
    """The server takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        limits = Limits(1, 10, 100_000, 10**7)
        reader = Reader(world.folder / "site", address, root_of(world), limits)
        with pytest.raises(RepositoryUnreachable) as caught:
            reader.refresh()
    assert isinstance(caught.value.__cause__, SlowRetrievalError)


def test_wrong_keys(world: World, tmp_path: Path) -> None:
    """Another repository stands at the address, sound in itself."""
    other = World(tmp_path / "other")
    other.created()
    other.add()
    reader = Reader(tmp_path / "site", other.place, root_of(world), LIMITS)
    assert isinstance(refused(reader), UnsignedMetadataError)
