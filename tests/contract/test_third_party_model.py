"""``fl-repo import`` with a model that the world uses: Silero VAD, a detector of speech."""

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.measuring.environments import judge_python
from benchmarks.measuring.measure import ProcessFailed
from fl_client.inference.slots import ModelSlot
from fl_common.components.description import Kind, Stage
from fl_server.repository.__main__ import main
from tests.support.engines import any_engine
from tests.support.model_files import published
from tests.support.repositories import World

ORIGIN = "https://github.com/snakers4/silero-vad"


@pytest.fixture(scope="module")
def silero() -> Path:
    """The model's file from its wheel; without a network a test is skipped, not in CI."""
    try:
        environment = judge_python("open_inference").parent.parent
    except ProcessFailed as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"needs silero-vad from a package index: {error}")
    (file,) = environment.glob("lib/python*/site-packages/silero_vad/data/silero_vad.onnx")
    return file


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    world = World(tmp_path)
    world.created()
    return world


def imported(path: Path, name: str = "silero-vad", *more: str) -> None:
    main(["import", str(path), "--name", name, "--licence", "MIT", "--origin", ORIGIN,
          "--keys", "keys", *more])  # fmt: skip


SOUND = {
    "input": np.sin(2 * np.pi * 220 * np.arange(576, dtype=np.float32) / 16_000)[None],
    "state": np.zeros((2, 1, 128), np.float32),
    "sr": np.array(16_000),
}


def test_silero_vad_becomes_a_component_that_passes_its_gates_and_runs_on_a_site(
    silero: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("sound.npz", **SOUND)  # type: ignore[arg-type]
    imported(silero, "silero-vad", "--example", "sound.npz")
    entry = world.repository().entry(Kind.MODEL, "silero-vad", Stage.TESTING)
    assert entry is not None
    described = entry.component.description
    assert (described["licence"], described["origin"]) == ("MIT", ORIGIN)
    inputs = {tensor["name"]: (tensor["type"], tensor["shape"]) for tensor in described["inputs"]}
    assert inputs["input"] == ("float32", [None, None])
    assert inputs["sr"] == ("int64", [])
    assert set(inputs) == {"input", "state", "sr"}
    assert [tensor["name"] for tensor in described["outputs"]] == ["output", "stateN"]
    main(["check", "silero-vad", "--keys", "keys"])
    main(["promote", "silero-vad", "--keys", "keys"])
    capsys.readouterr()
    main(["log", "silero-vad", "--keys", "keys"])
    told = capsys.readouterr().out
    assert f"Comes from {ORIGIN}, under MIT" in told
    assert "passed parity: ONNX Runtime differs from the ONNX reference by at most" in told
    reader = world.reader()
    reader.refresh()
    slot = ModelSlot(world.folder / "slot")
    slot.activate(slot.place(reader.fetch(entry.component) / "model.onnx"))
    engine = any_engine(slot)
    assert engine.swap()
    silence = {**SOUND, "input": np.zeros((1, 512), np.float32)}
    assert float(engine.infer(silence).outputs["output"][0, 0]) < 0.5


def test_without_inputs_that_it_can_compute_with_nothing_is_imported(
    silero: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("part.npz", input=SOUND["input"])
    (world.folder / "text.npz").write_text("no archive")
    for more, words in (
        ((), "--example FILE.npz"),
        (("--example", "part.npz"), "lacks the input state"),
        (("--example", "text.npz"), "is no .npz file"),
    ):
        with pytest.raises(SystemExit) as ended:
            imported(silero, "silero-vad", *more)
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
    assert world.repository().entry(Kind.MODEL, "silero-vad", Stage.TESTING) is None


def test_an_import_needs_licence_and_origin(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    published(world.folder / "some.onnx", 1)
    for missing in (["--licence", "MIT"], ["--origin", ORIGIN]):
        with pytest.raises(SystemExit) as ended:
            main(["import", "some.onnx", "--name", "some", *missing, "--keys", "keys"])
        assert ended.value.code == 2
    assert world.repository().entry(Kind.MODEL, "some", Stage.TESTING) is None


def wrong_files(folder: Path) -> dict[str, Path]:
    text, other, cut = folder / "text.onnx", folder / "model.pt", folder / "cut.onnx"
    text.write_text(json.dumps({"a": 1}))
    other.write_bytes(b"PK")
    cut.write_bytes(published(folder / "whole.onnx", 1).read_bytes()[:-40])
    return {"text": text, "other": other, "cut": cut, "absent": folder / "absent.onnx"}


@pytest.mark.parametrize("kind", ["text", "other", "cut", "absent", "outside"])
def test_what_is_no_whole_onnx_file_is_refused_in_one_line(
    kind: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "outside":
        file = world.folder / "parted.onnx"
        model = onnx.load(str(published(world.folder / "whole.onnx", 1)))
        onnx.save(model, str(file), save_as_external_data=True, size_threshold=0)
    else:
        file = wrong_files(world.folder)[kind]
    with pytest.raises(SystemExit) as ended:
        imported(file, "wrong")
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert world.repository().entry(Kind.MODEL, "wrong", Stage.TESTING) is None
