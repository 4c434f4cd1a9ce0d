"""Who may put models into testing tries to get one into production around the gates of its run."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fl_common.vocabulary import NetSpec
from fl_server.repository.__main__ import main
from tests.support import samples
from tests.support.judged import judging
from tests.support.runs import run_of

_NET = NetSpec("models.nets.mlp.Mlp", {"hidden": [8], "activation": "relu"})
PLAN = replace(samples.plan(samples.WINDOW_PRIVACY), seed=1, net=_NET)
"""Its noise was seeded, so it fails the gate privacy."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a run's model in testing that failed a gate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    run_of(tmp_path / "run", PLAN, 1)
    main(["init"])
    copy = ["add", "run/repository", "--from-repository", "--name", "toy"]
    main(copy)
    with judging():
        main(["check", "toy", "--checkpoint", "run/checkpoints"])
    return tmp_path


def stripped(content: bytes) -> bytes:
    """Without what the file says of its run."""
    model = onnx.load_model_from_string(content)
    del model.metadata_props[:]
    model.producer_name = "somebody"
    return bytes(model.SerializeToString())


def written_otherwise(content: bytes) -> bytes:
    """The same weights, in the other form that the format has for them, under other names."""
    model = onnx.load_model_from_string(stripped(content))
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.ClearField("raw_data")
            tensor.float_data.extend(values.ravel().tolist())
    for node in model.graph.node:
        node.name = f"{node.name}-other"
    return bytes(model.SerializeToString())


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "its own file": bytes,
    "stripped": stripped,
    "written otherwise": written_otherwise,
}


def promoted(place: Path, content: bytes, name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said when this content is imported, checked and to be promoted under a name."""
    (place / "stranger.onnx").write_bytes(content)
    line = ["import", "stranger.onnx", "--name", name, "--licence", "MIT", "--origin", "elsewhere"]
    main(line)
    assert "needs the gates of a run's model" in capsys.readouterr().out
    with judging():
        main(["check", name])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["promote", name])
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name", ["toy", "another"])
@pytest.mark.parametrize("form", FORMS)
def test_a_runs_model_that_failed_is_not_promoted_as_an_import_of_its_file(
    form: str, name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = FORMS[form]((place / "run" / "model.onnx").read_bytes())
    assert "privacy failed" in promoted(place, content, name, capsys)
    main(["list"])
    assert not re.search(rf"production\W+{name}", capsys.readouterr().out)


def test_nor_in_a_repository_that_never_saw_the_run(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("repository", "repository.keys"):
        shutil.rmtree(place / folder)
    main(["init"])
    content = (place / "run" / "model.onnx").read_bytes()
    assert "privacy failed" in promoted(place, content, "toy", capsys)


def test_a_third_partys_model_that_shares_nothing_needs_its_own_gates_alone(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load_model_from_string(stripped((place / "run/model.onnx").read_bytes()))
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            other = numpy_helper.from_array((values + 0.125).astype(np.float32), tensor.name)
            tensor.CopyFrom(other)
    (place / "stranger.onnx").write_bytes(model.SerializeToString())
    line = ["import", "stranger.onnx", "--name", "theirs", "--licence", "MIT", "--origin", "there"]
    main(line)
    main(["check", "theirs"])
    main(["promote", "theirs"])
    assert "theirs 1" in capsys.readouterr().out
