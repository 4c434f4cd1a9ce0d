"""A box's configuration file that others may read."""

from pathlib import Path

import pytest

from fl_client.configuration import warn_of_open_secrets

LITERAL = "broker:\n  password: hunter2\n"


@pytest.mark.parametrize(
    ("text", "mode", "is_told"),
    [
        (LITERAL, 0o644, True),
        (LITERAL, 0o640, True),
        (LITERAL, 0o600, False),
        ("transports:\n- {token: abc}\n", 0o644, True),
        ("broker:\n  password: ${oc.env:BROKER_PASSWORD}\n", 0o644, False),
        ("broker:\n  password: null\n", 0o644, False),
        ("name: box\n", 0o644, False),
        ("", 0o644, False),
    ],
)
def test_a_secret_that_others_may_read_is_told_without_it(
    text: str, mode: int, is_told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "box.yaml"
    file.write_text(text)
    file.chmod(mode)
    warn_of_open_secrets(file)
    assert (f"chmod 600 {file}" in caplog.text) is is_told
    assert "hunter2" not in caplog.text


def test_without_a_file_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_open_secrets(None)
    assert caplog.text == ""
