"""A hostile ONNX file: what it names, declares and computes, at every place that opens one."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from fl_client.inference.onnx_model import OnnxModel
from fl_common.components.description import Kind, Stage
from fl_common.errors import InvalidData
from fl_server.repository.__main__ import main
from tests.support.hostile_models import OUTPUT, PLACES, declared, growing, model_of, outside
from tests.support.repositories import World

SECRET = b"the secret of the operator, which is in no model" * 3


def imported(world: World, model: ModelProto, folder: Path) -> bool:
    """Whether ``fl-repo import`` takes a file with this content in ``folder``."""
    file = folder / "model.onnx"
    file.write_bytes(model.SerializeToString())
    line = ("import", str(file), "--name", "taken", "--licence", "MIT", "--origin", "a stranger")
    with contextlib.suppress(SystemExit):
        main([*line, "-r", str(world.place), "--keys", str(world.keys)])
    return world.repository().entry(Kind.MODEL, "taken", Stage.TESTING) is not None


def published(world: World) -> bytes:
    """All content that anybody can fetch."""
    return b"".join(p.read_bytes() for p in world.place.rglob("*") if p.is_file())


@pytest.mark.parametrize("place", PLACES)
def test_a_model_that_names_another_file_is_neither_imported_nor_run(
    place: str, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a reader would find it: beside the file, and in the current folder."""
    monkeypatch.chdir(world.keys)
    (world.keys / "secret").write_bytes(SECRET)
    model = PLACES[place](outside("t", "secret", len(SECRET)))
    assert not imported(world, model, world.keys)
    (line,) = capsys.readouterr().err.splitlines()
    assert "keeps weights in another file" in line or "is not for inference" in line
    assert SECRET not in published(world)
    with pytest.raises(InvalidData, match=r"another file|not for inference"):
        OnnxModel(model.SerializeToString(), 1)


def test_a_file_beside_the_keys_does_not_publish_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.keys)
    key = next(world.keys.glob("production-*"))
    model = PLACES["an initializer of a branch"](outside("t", key.name, key.stat().st_size))
    assert not imported(world, model, world.keys)
    assert key.read_bytes() not in published(world)


def test_a_folder_with_a_key_is_not_published(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("add", str(world.keys), "--kind", "stack", "--name", "stack", "--licence", "MIT")
    with pytest.raises(SystemExit):
        main([*line, "-r", str(world.place), "--keys", str(world.keys)])
    assert "has a private key in it" in capsys.readouterr().err
    assert b"PRIVATE KEY" not in published(world)


HUGE = 5 * 10**9
BOMBS = {
    "an initializer without values": declared(data_type=TensorProto.FLOAT, dims=[HUGE]),
    "an initializer with few values": declared(
        data_type=TensorProto.FLOAT, dims=[HUGE], raw_data=bytes(40)
    ),
    "sizes whose product overflows": declared(
        data_type=TensorProto.FLOAT, dims=[1 << 32, 1 << 32], raw_data=b""
    ),
    "a negative size": declared(data_type=TensorProto.FLOAT, dims=[-1], raw_data=bytes(4)),
    "a constant of a shape": growing(HUGE),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_declares_gigabytes_is_refused_before_it_is_loaded(name: str) -> None:
    content = BOMBS[name].SerializeToString()
    assert len(content) < 1000
    with pytest.raises(InvalidData, match="of shape"):
        OnnxModel(content, 1)


def _calling(domain: str, name: str = "Anything") -> ModelProto:
    return model_of([helper.make_node(name, ["flag"], [OUTPUT], domain=domain)])


@pytest.mark.parametrize("domain", ["com.microsoft", "stranger", "ai.onnx.preview.training"])
def test_operators_outside_of_the_standard_are_refused(domain: str) -> None:
    with pytest.raises(InvalidData, match=f"uses the operator {domain}.Anything"):
        OnnxModel(_calling(domain).SerializeToString(), 1)


def test_functions_that_unfold_to_billions_of_nodes_are_refused() -> None:
    """Each calls the next one twice."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions = []
    for level in range(40):
        called = ("Identity", "") if level == 39 else (f"F{level + 1}", "own")
        nodes = [
            helper.make_node(called[0], ["a"], ["b"], domain=called[1]),
            helper.make_node(called[0], ["b"], ["c"], domain=called[1]),
        ]
        functions.append(helper.make_function("own", f"F{level}", ["a"], ["c"], nodes, opsets))
    model = model_of(
        [helper.make_node("F0", ["flag"], [OUTPUT], domain="own")], functions=tuple(functions)
    )
    with pytest.raises(InvalidData, match="functions unfolded"):
        OnnxModel(model.SerializeToString(), 1)


def test_a_model_does_not_set_up_the_library_that_runs_it(tmp_path: Path) -> None:
    """ONNX Runtime takes settings from a model's properties where the environment says so."""
    model = model_of([helper.make_node("Cast", ["flag"], [OUTPUT], to=TensorProto.UINT8)])
    settings = '{"session_options": {"enable_profiling": 1}}'
    helper.set_model_props(model, {"ort_config": settings})
    file = tmp_path / "model.onnx"
    file.write_bytes(model.SerializeToString())
    look = "import sys; from fl_client.inference.onnx_model import OnnxModel as M;"
    done = subprocess.run(
        [sys.executable, "-c", f"{look} M(open(sys.argv[1], 'rb').read(), 1)", str(file)],
        cwd=tmp_path,
        env={**os.environ, "ORT_LOAD_CONFIG_FROM_MODEL": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "has a property ort_config" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_bytes_of_another_format_are_not_loaded() -> None:
    """ONNX Runtime takes its own format, which no rule here is about, for what it is."""
    model = model_of([helper.make_node("Cast", ["flag"], [OUTPUT], to=TensorProto.UINT8)])
    content = model.SerializeToString()
    np.testing.assert_equal(OnnxModel(content, 1).run({"flag": np.array(True)})[OUTPUT], 1)
    hidden = b"\x12\x06ab" + b"ORTM"
    with pytest.raises(InvalidData, match="own format"):
        OnnxModel(hidden + content, 1)
