"""What a refused command leaves in its outputs folder: nothing of its own, all of others."""

from pathlib import Path

import pytest

from tests.scenarios.test_command_line import refused


def test_bad_input_leaves_no_outputs_folder_and_a_folder_of_others_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, command in enumerate(((), ("audit",), ("egress",))):
        folder = tmp_path / f"{index}" / "day" / "time"
        assert "rounds=0" in refused(
            capsys, monkeypatch, *command, "rounds=0", f"hydra.run.dir={folder}"
        )
        assert not folder.exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes").write_text("mine")
    refused(capsys, monkeypatch, "rounds=0", f"hydra.run.dir={mine}")
    assert (mine / "notes").read_text() == "mine"
