"""The words of ``fl-server``."""

import json
from pathlib import Path

import pytest

from fl_server.__main__ import main

COMMANDS = (
    "start", "enroll", "revoke", "status", "running", "shadow", "superlink", "carry-out",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"  fl-server {command}" in capsys.readouterr().out.partition("examples:")[2]


@pytest.mark.parametrize("override", ["hosts=[]", "listen=nowhere", "listen=::1"])
def test_no_site_is_enrolled_where_it_could_not_reach_the_server(
    override: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["enroll", "kitchen", f"home={tmp_path / 'server'}", override])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {override}: ")
    assert not (tmp_path / "server").exists()


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a\nb"])
def test_a_folder_that_flower_would_misread_is_refused_by_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cloud.yaml"
    file.write_text(f"defaults: [server, _self_]\nhome: {json.dumps(str(tmp_path / name))}\n")
    with pytest.raises(SystemExit) as ended:
        main(["start", "--config", str(file)])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("error: home=")
    assert len(told.splitlines()) == 1
    assert not (tmp_path / name).exists()
