"""``fl-client model``: only a model that a run has written is put into a slot."""

from pathlib import Path

import pytest
from onnx import TensorProto

from fl_client.__main__ import main
from fl_client.home import MODEL, SLOTS
from fl_client.inference.slots import ModelSlot
from tests.support.model_files import doubler, published


@pytest.mark.parametrize("content", [b"", b"hello\n", b"PK\x03\x04", None])
def test_a_file_that_is_no_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    file = tmp_path / "model.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        main(["model", str(file), "--home", str(tmp_path / "site")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "site").exists()


def test_a_model_of_other_makers_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = doubler(tmp_path / "model.onnx", TensorProto.FLOAT)
    with pytest.raises(SystemExit):
        main(["model", str(file), "--home", str(tmp_path / "site")])
    assert "not an ONNX file with our metadata" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_a_model_of_a_run_is_put_into_the_slot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "site"
    main(["model", str(published(tmp_path / "model.onnx")), "--home", str(home)])
    digest = ModelSlot(home / SLOTS / MODEL).current()
    assert digest is not None
    assert f"is version {digest[:12]}" in capsys.readouterr().out
