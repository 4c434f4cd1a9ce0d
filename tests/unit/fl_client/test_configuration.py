"""A box's configuration: a file that others may read, and values of the wrong kind."""

from pathlib import Path

import pytest

from fl_client.configuration import read_config, warn_of_open_secrets
from fl_common.errors import InvalidConfiguration

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


@pytest.mark.parametrize(
    "override",
    [
        "log_level=loud",
        "failures_allowed=-1",
        "http.port=abc",
        "http.port=99999",
        "http=null",
        "broker=localhost",
        "windows=3",
        "engine.trial=3",
        "retention=null",
        "events.predictions='a/#'",
        "events.happenings=a/+/b",
        "sensors.watch=null",
        "sensors.watch.rate_hz=fifty",
        "sensors.watch.rate_hz=0",
        "sensors.watch.decoder=json",
        "+sensors.watch.longest_gap_s=long",
        "+sensors.other=3",
        "sensors.watch.channels=3",
        "sensors.watch._target_=null",
        "home=null",
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_name(override: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        read_config(None, [override])
    name, _, value = override.lstrip("+").replace("'", "").partition("=")
    assert str(refused.value).startswith(f"{name}={'None' if value == 'null' else value}: must be")


def test_the_shipped_values_are_fine_and_parts_may_be_left_out() -> None:
    read_config(None, [])
    read_config(None, ["broker=null", "annotations=null", "events.status=null"])
    read_config(None, ["sensors=none", "functions=none", "log_level=WARNING"])


SECTIONS = [
    name
    for name, part in read_config(None, []).items()
    if isinstance(part, dict)
    and "_target_" not in part
    and name not in ("sensors", "transports", "functions")  # whose keys are names
]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_key_that_a_section_has_not_is_refused(section: str) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"{section}\.odd: is not known"):
        read_config(None, [f"+{section}.odd=1"])
