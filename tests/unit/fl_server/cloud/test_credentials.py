"""The server's own files: renewed from the one authority, made anew where that is safe."""

import time
from pathlib import Path

import pytest
from cryptography import x509

from fl_common.errors import InvalidConfiguration
from fl_server.cloud.certificates import Pair, ends_at, names_in
from fl_server.cloud.credentials import check_authority, make_own
from fl_server.cloud.home import CloudHome

DAYS, HOSTS = 30.0, ["fl.example.org", "192.0.2.7", "2001:db8::7"]
DAY_S = 86400.0


@pytest.fixture
def home(tmp_path: Path) -> CloudHome:
    home = CloudHome(tmp_path / "server")
    make_own(home, HOSTS, DAYS)
    return home


def again(home: CloudHome, after_days: float = 0.0, hosts: list[str] = HOSTS) -> None:
    make_own(home, hosts, DAYS, lambda: time.time() + after_days * DAY_S)


def contents(home: CloudHome) -> dict[str, bytes]:
    return {
        str(path.relative_to(home.folder)): path.read_bytes()
        for name in ("certificates", "keys")
        for path in sorted((home.folder / name).iterdir())
    }


def is_signed(home: CloudHome, pair: Pair) -> x509.Certificate:
    certificate = pair.read()
    certificate.verify_directly_issued_by(home.authority.read())
    return certificate


def test_nothing_is_made_twice(home: CloudHome) -> None:
    before = contents(home)
    again(home, after_days=DAYS / 2)
    assert contents(home) == before


def test_a_certificate_is_renewed_before_its_end_by_the_same_authority(home: CloudHome) -> None:
    authority, old = contents(home)["certificates/authority.crt"], home.public.read()
    again(home, after_days=DAYS * 0.7)
    assert contents(home)["certificates/authority.crt"] == authority
    new = is_signed(home, home.public)
    assert ends_at(new) == pytest.approx(ends_at(old) + DAYS * 0.7 * DAY_S, abs=60)
    assert names_in(new) == HOSTS


def test_a_new_host_gets_into_the_certificate_at_once(home: CloudHome) -> None:
    again(home, hosts=[*HOSTS, "::1"])
    assert names_in(is_signed(home, home.public)) == [*HOSTS, "::1"]


def test_a_certificate_from_a_clock_that_was_ahead_is_made_anew(home: CloudHome) -> None:
    again(home, after_days=DAYS * 2)
    again(home)
    assert home.public.read().not_valid_before_utc.timestamp() < time.time()


def test_a_certificate_does_not_outlive_its_authority(home: CloudHome) -> None:
    again(home, after_days=DAYS * 9.9)
    assert ends_at(home.public.read()) <= ends_at(home.authority.read())
    before = contents(home)
    again(home, after_days=DAYS * 9.95)
    assert contents(home) == before, "a renewal that gains nothing"


@pytest.mark.parametrize("lost", [["key"], ["certificate"], ["key", "certificate"]])
def test_no_authority_is_made_in_the_place_of_a_lost_one(home: CloudHome, lost: list[str]) -> None:
    for part in lost:
        getattr(home.authority, part).unlink()
    before = contents(home)
    with pytest.raises(InvalidConfiguration, match=r"authority\.(key|crt) is missing.*from a copy"):
        again(home, hosts=["another.example.org"])
    assert contents(home) == before


def test_a_server_runs_on_without_the_key_of_its_authority(home: CloudHome) -> None:
    home.authority.key.unlink()
    again(home)
    with pytest.raises(InvalidConfiguration, match=r"authority\.key is missing"):
        check_authority(home)


def test_a_first_start_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    home = CloudHome(tmp_path)
    home.authority.key.parent.mkdir()
    home.authority.key.write_bytes(b"")
    make_own(home, HOSTS, DAYS)
    is_signed(home, home.public)


@pytest.mark.parametrize("content", [b"", b"\0" * 300])
@pytest.mark.parametrize(
    ("file", "is_safe"),
    [
        ("certificates/server.crt", True),
        ("certificates/superlink.crt", True),
        ("certificates/authority.crt", False),
        ("keys/server.key", True),
        ("keys/superlink.key", True),
        ("keys/executor.secret", True),
        ("keys/authority.key", False),
    ],
)
def test_a_damaged_file_is_made_anew_or_named(
    home: CloudHome, file: str, is_safe: bool, content: bytes
) -> None:
    path = home.folder / file
    path.write_bytes(content)
    if is_safe:
        again(home)
        assert path.read_bytes() != content
        assert path.stat().st_mode & 0o077 == 0 or path.suffix == ".crt"
        is_signed(home, home.public)
        is_signed(home, home.inner)
        return
    with pytest.raises(InvalidConfiguration, match=file.rpartition("/")[2]):
        again(home, after_days=DAYS * 0.7)


def test_a_key_of_another_certificate_is_found(home: CloudHome) -> None:
    home.public.key.write_bytes(home.inner.key.read_bytes())
    again(home)
    is_signed(home, home.public)
