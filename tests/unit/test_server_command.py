"""The words of ``fl-server``."""

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
