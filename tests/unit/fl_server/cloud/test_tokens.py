"""The command that makes tokens: what they pin, and what is kept and shown of them."""

import hashlib
import json
from pathlib import Path

import pytest

from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.wire.desk import Token
from fl_server.cloud import commands
from fl_server.cloud.build import read_config
from fl_server.cloud.home import CloudHome


def configured(folder: Path, *more: str) -> Config:
    return read_config(None, [f"home={folder / 'home'}", "hosts=[fl.example.org]", *more])


def made(config: Config, authority: Path | None = None, uses: int = 3) -> Token:
    return commands.make_token(config, "ward", "ward-*", uses, 2.0, authority)


def test_a_token_pins_the_authority_that_the_server_made(tmp_path: Path) -> None:
    token = Token.read(str(made(configured(tmp_path))))
    authority = CloudHome(tmp_path / "home").authority.certificate.read_bytes()
    assert token.authority == hashlib.sha256(authority).hexdigest()
    assert token.server == "fl.example.org:8443"


def test_with_a_certificate_of_ones_own_a_token_pins_who_signed_it(tmp_path: Path) -> None:
    own, signer = ["certificate=own.crt", "key=own.key"], tmp_path / "signer.crt"
    signer.write_bytes(b"who signed it")
    config = configured(tmp_path, *own)
    with pytest.raises(InvalidConfiguration, match="--authority FILE"):
        made(config)
    digest = hashlib.sha256(b"who signed it").hexdigest()
    assert made(config, signer).authority == digest
    assert made(config).authority == digest, "it is known from then on"
    with pytest.raises(InvalidConfiguration, match="Leave it out"):
        made(configured(tmp_path), signer)
    with pytest.raises(InvalidConfiguration, match="can't be copied"):
        made(config, tmp_path / "nothing.crt")


def test_a_list_of_tokens_has_no_secret_and_a_revoked_one_is_gone(tmp_path: Path) -> None:
    config = configured(tmp_path)
    token = made(config)
    (shown,) = commands.tokens(config)
    assert shown["token"] == token.number
    assert (shown["names"], shown["uses"], shown["over"]) == ("ward-*", 3, False)
    kept = (tmp_path / "home" / "tokens" / f"{token.number}.json").read_text()
    assert token.secret not in json.dumps(shown) + kept
    commands.revoke_token(config, token.number)
    assert commands.tokens(config) == []
    with pytest.raises(InvalidConfiguration, match="is not one of this server's"):
        commands.revoke_token(config, "../server")


@pytest.mark.parametrize("uses", [0, -1, 10**9])
def test_a_token_without_bound_is_refused(tmp_path: Path, uses: int) -> None:
    with pytest.raises(InvalidConfiguration, match="--uses"):
        made(configured(tmp_path), uses=uses)


@pytest.mark.parametrize("text", ["", "jtd-", "jtd-AAAA", "jtd-W10", "x" * 200, "jtd-WzEsMiwzLDRd"])
def test_what_is_no_token_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="Copy the whole of its line"):
        Token.read(text)
