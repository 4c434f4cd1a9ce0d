"""What was revoked after a backup: a restored server lets in nobody by an old token unasked."""

import json
import time
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_server.cloud.backup import backup, restore
from fl_server.cloud.home import CloudHome
from fl_server.cloud.sites import EnrolledSite, Sites
from fl_server.cloud.tokens import TokenRefused, Tokens


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, str, str]:
    """A backup with two sites and a token that one has used; its number and secret."""
    home = CloudHome(tmp_path / "server")
    home.components.mkdir(parents=True)
    home.write_status({"running": False})
    number, secret = Tokens(home.tokens, time.time).make("ward", "ward-*", 5, 1000.0)
    Tokens(home.tokens, time.time).redeem(number, secret, "ward-1", "key 1")
    home.sites.mkdir()
    for name in ("ward-1", "ward-2"):
        Sites(home.sites).add(name, EnrolledSite(f"key of {name}", "ward"))
    backup(home, tmp_path / "server.tar.gz")
    return tmp_path / "server.tar.gz", number, secret


def test_tokens_let_nobody_in_any_more(tmp_path: Path, kept: tuple[Path, str, str]) -> None:
    archive, number, secret = kept
    again = CloudHome(tmp_path / "again")
    done = restore(archive, again)
    assert (done.sites, done.tokens) == (["ward-1", "ward-2"], [number])
    tokens = Tokens(again.tokens, time.time)
    for name, key in (("ward-1", "key 1"), ("ward-9", "key 9")):
        with pytest.raises(TokenRefused):
            tokens.redeem(number, secret, name, key)


def test_the_operator_may_keep_them(tmp_path: Path, kept: tuple[Path, str, str]) -> None:
    archive, number, secret = kept
    again = CloudHome(tmp_path / "again")
    assert restore(archive, again, keep_tokens=True).tokens == []
    Tokens(again.tokens, time.time).redeem(number, secret, "ward-9", "key 9")


def test_a_site_that_was_revoked_since_is_left_out_and_no_token_brings_it_back(
    tmp_path: Path, kept: tuple[Path, str, str]
) -> None:
    archive, number, secret = kept
    again = CloudHome(tmp_path / "again")
    done = restore(archive, again, ["ward-1"], keep_tokens=True)
    assert done.sites == ["ward-2"]
    assert set(Sites(again.sites).enrolled()) == {"ward-2"}
    assert json.loads((again.sites / "ward-1.json").read_text())["pending"]
    with pytest.raises(TokenRefused):
        Tokens(again.tokens, time.time).redeem(number, secret, "ward-1", "key 1")


def test_a_site_that_the_backup_lacks_is_refused_and_nothing_is_left(
    tmp_path: Path, kept: tuple[Path, str, str]
) -> None:
    with pytest.raises(InvalidConfiguration, match=r"--revoke ward-7.*ward-1, ward-2"):
        restore(kept[0], CloudHome(tmp_path / "again"), ["ward-7"])
    assert not (tmp_path / "again").exists()
