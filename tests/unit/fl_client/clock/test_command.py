"""``fl-client clock``."""

from pathlib import Path

import pytest

from fl_client.__main__ import main
from fl_client.clock.machine import THIS_MACHINE
from fl_client.clock.vouching import Vouching


def test_the_operator_s_word_is_given_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["clock", "--home", str(tmp_path)])
    assert "you said" not in capsys.readouterr().out
    main(["clock", "--home", str(tmp_path), "--trust"])
    assert "you said that it is right" in capsys.readouterr().out
    assert Vouching(tmp_path, THIS_MACHINE).is_trusted(THIS_MACHINE.clocks())


def test_a_folder_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["clock", "--home", str(tmp_path / "none"), "--trust"])
    assert ended.value.code == 2
    assert "is no folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
