"""Who may listen where, and where a token comes from."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from fl_client.sensors.transports.http.access import Access
from fl_client.sensors.transports.http.limits import Limits
from fl_client.sensors.transports.http.transport import HttpTransport
from fl_common.errors import InvalidConfiguration
from tests.support.posts import LIMITS, TOKEN

NOTHING = dict.fromkeys(("token_file", "token_variable", "certificate_file", "key_file"))


def access(**changes: Any) -> Access:
    return Access(**(NOTHING | changes))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A certificate for this machine, and its key."""
    folder = tmp_path_factory.mktemp("pair")
    files = {"certificate_file": folder / "box.crt", "key_file": folder / "box.key"}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files["key_file"],
         "-out", files["certificate_file"]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_a_token_is_the_first_line_of_its_file_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\nwhat follows is not read\n")
    monkeypatch.setenv("SENSOR_TOKEN", TOKEN)
    for found in (access(token_file=tmp_path / "token"), access(token_variable="SENSOR_TOKEN")):
        assert not found.open
        assert found.allows(f"bearer {TOKEN}".encode())
        for wrong in ("", TOKEN, f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer "):
            assert not found.allows(wrong.encode())
    assert access().open
    assert access().allows(b"")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"token_file": "nowhere"}, "token_file=nowhere: can't be read"),
        ({"token_variable": "NOT_SET_ANYWHERE"}, "at least 16 printable"),
        ({"token_file": "a", "token_variable": "b"}, "can't be set beside token_file"),
        ({"certificate_file": "a"}, "needs the other one"),
        ({"certificate_file": "a", "key_file": "b"}, "can't be used with key_file=b"),
    ],
)
def test_what_can_not_be_used_is_refused(changes: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        access(**changes)


def test_others_reach_it_with_a_token_and_tls_alone(
    pair: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSOR_TOKEN", TOKEN)
    limits = Limits(**LIMITS)
    for host in ("127.0.0.1", "::1", "localhost"):
        HttpTransport(host, 0, access(), limits)
    some = [access(), access(token_variable="SENSOR_TOKEN"), access(**pair)]
    for host in ("0.0.0.0", "::", "192.168.1.1", "box.local"):
        for half in some:
            with pytest.raises(InvalidConfiguration, match="needs TLS and a token"):
                HttpTransport(host, 0, half, limits)
        HttpTransport(host, 0, access(token_variable="SENSOR_TOKEN", **pair), limits)


def test_a_number_out_of_its_range_is_refused() -> None:
    for name in LIMITS:
        with pytest.raises(InvalidConfiguration, match=f"transports.http.limits.{name}=0"):
            Limits(**(LIMITS | {name: 0}))
    with pytest.raises(InvalidConfiguration, match="port=65536"):
        HttpTransport("127.0.0.1", 65536, access(), Limits(**LIMITS))
