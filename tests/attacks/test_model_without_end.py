"""A hostile model that loads for ever, takes all memory or never answers: a box senses on."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fl_client.components.record import Version
from fl_client.components.shadow import Shadow
from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_client.inference.trial import trial_within
from fl_common.components.description import Kind, Stage
from fl_common.errors import InvalidData
from fl_common.vocabulary import Task
from fl_server.repository.__main__ import main
from fl_server.repository.build import build_device, load_configuration
from fl_server.repository.case import Evidence
from fl_server.repository.verification import check
from models.onnx.example import EXAMPLE, Example
from tests.support.engines import CALL_SECONDS, answer_of, bring, engine_on, no_trial, windows
from tests.support.hostile_models import endless, greedy
from tests.support.model_files import LIMIT, published, slot_with
from tests.support.repositories import World
from tests.support.samples import TASK

SHORT, WHOLE = trial_within(3, 512), trial_within(60, 512)


@pytest.fixture
def slot(tmp_path: Path) -> ModelSlot:
    """Its current version answers 0 and was tried."""
    slot = slot_with(tmp_path / "slot", published(tmp_path / "zero.onnx", 0))
    assert Engine(slot, TASK, 1, 4, WHOLE, CALL_SECONDS).swap()
    return slot


def test_a_model_that_never_ends_is_tried_in_a_child_and_is_bad_for_good(
    slot: ModelSlot, tmp_path: Path
) -> None:
    digest = bring(slot, endless(tmp_path / "endless.onnx"))
    for failed in (1, 0):  # also after a restart, when it is not even tried
        engine = Engine(slot, TASK, 1, 4, SHORT, CALL_SECONDS)
        engine.swap()
        assert answer_of(engine) == [0]
        assert engine.status().failed_loads == failed
        assert "did not end within 3 s" in str(slot.failure(digest))


def test_a_model_that_takes_gigabytes_is_refused_by_its_child(
    slot: ModelSlot, tmp_path: Path
) -> None:
    digest = bring(slot, greedy(tmp_path / "greedy.onnx", 20))
    engine = Engine(slot, TASK, 1, 4, WHOLE, CALL_SECONDS)
    engine.swap()
    assert answer_of(engine) == [0]
    assert slot.failure(digest) is not None


def test_what_serves_goes_on_while_a_new_version_is_tried(slot: ModelSlot, tmp_path: Path) -> None:
    go_on = threading.Event()

    def slow(content: bytes, task: Task | None, largest_batch: int) -> None:
        go_on.wait()

    engine = Engine(slot, TASK, 1, 4, slow, CALL_SECONDS, in_background=True)
    assert engine.swap()
    digest = bring(slot, published(tmp_path / "one.onnx", 1))
    for _ in range(3):
        assert not engine.swap()
        assert answer_of(engine) == [0]
    assert (slot.folder / "versions" / digest / "loading").is_file()
    go_on.set()
    while not engine.swap():
        assert slot.failure(digest) is None
    assert answer_of(engine) == [1]
    assert not (slot.folder / "versions" / digest / "loading").exists()


def test_a_version_whose_loading_ended_the_process_twice_is_bad_at_the_next_start(
    slot: ModelSlot, tmp_path: Path
) -> None:
    """It is not loaded a third time; a single power cut holds nothing against it."""
    digest = bring(slot, published(tmp_path / "one.onnx", 1))

    def killed(content: bytes, task: Task | None, largest_batch: int) -> None:
        raise KeyboardInterrupt  # as a kill leaves it: nothing is noted afterwards

    for _ in range(2):
        engine = Engine(slot, TASK, 1, 4, killed, CALL_SECONDS)
        with pytest.raises(KeyboardInterrupt):
            engine.swap()
        assert slot.failure(digest) is None
    engine = engine_on(slot)
    engine.swap()
    assert answer_of(engine) == [0]
    assert "begun to be loaded 2 times" in str(slot.failure(digest))
    assert "begun to be loaded 2 times" in str(engine.status().trouble)


def test_a_call_that_does_not_end_is_ended_and_the_model_before_takes_over(
    slot: ModelSlot, tmp_path: Path
) -> None:
    """It ends on typical readings, which are all that a trial has, and not on others."""
    engine = Engine(slot, TASK, 1, 4, no_trial, call_seconds=2.0)
    engine.swap()
    digest = bring(slot, endless(tmp_path / "endless.onnx", above=LIMIT))
    assert engine.swap()
    assert answer_of(engine) == [2]
    assert answer_of(engine, windows(1, LIMIT + 1)) == [0]
    assert slot.failure(digest) is not None
    assert answer_of(engine) == [0]


def test_a_candidate_that_never_ends_does_not_hold_up_the_shadow(tmp_path: Path) -> None:
    (tmp_path / "candidate").mkdir()
    file = endless(tmp_path / "candidate" / "model.onnx")
    digest = ModelSlot(tmp_path / "other").place(file)
    shadow = Shadow(TASK, 1, 4, tmp_path / "counts", 1e6, SHORT)
    shadow.set_candidate((Version("0" * 64, "1" * 64, "2", digest), tmp_path / "candidate"))
    assert "did not end within 3 s" in shadow.status()["trouble"]
    shadow.close()


def test_an_ordinary_model_passes_its_trial_and_one_of_another_task_says_why(
    tmp_path: Path,
) -> None:
    content = published(tmp_path / "one.onnx", 1).read_bytes()
    WHOLE(content, TASK, 64)
    WHOLE(content, None, 1)
    with pytest.raises(InvalidData, match=r"differs from this site's"):
        WHOLE(content, Task(**{**TASK.__dict__, "name": "another"}), 64)
    assert np.isfinite(windows(1)).all()


def test_a_model_that_never_ends_is_not_imported(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    file, settings = endless(world.folder / "endless.onnx"), world.folder / "short.yaml"
    settings.write_text("gates: {trial: {seconds: 3}}")
    line = ["import", str(file), "--name", "endless", "--licence", "MIT", "--origin", "a stranger"]
    with pytest.raises(SystemExit) as ended:
        main([*line, "--conf", str(settings), "-r", str(world.place), "--keys", str(world.keys)])
    assert ended.value.code == 2
    assert "did not end within 3 s" in capsys.readouterr().err
    assert world.repository().entries(Stage.TESTING) == []


@pytest.mark.parametrize("make", [endless, lambda path: greedy(path, 20)])
def test_no_gate_runs_a_model_that_does_not_pass_its_trial(
    make: Callable[[Path], Path], world: World
) -> None:
    """One that came by fl-repo add, with an example of its own making."""
    harmless = published(world.folder / "harmless.onnx", 1).read_bytes()
    Example.of(harmless, None).write(world.folder / EXAMPLE)
    make(world.folder / "model.onnx")
    files = {name: world.folder / name for name in ("model.onnx", EXAMPLE)}
    described = {"licence": "MIT", "origin": "a stranger"}
    component = world.repository().add(Kind.MODEL, "other", None, files, described)
    config = load_configuration(None)
    settings = {**config["gates"], "trial": {"seconds": 4, "megabytes": 1000}}
    evidence = Evidence(None, None, None, build_device("server", config), time.perf_counter)
    gates = ["parity", "golden", "latency", "licence"]
    found, _ = check(world.repository(), component, gates, evidence, settings)
    assert {verdict.gate: verdict.passed for verdict in found} == {
        "parity": False, "golden": False, "latency": False, "licence": True,
    }  # fmt: skip
    assert all("tried" in verdict.detail for verdict in found if verdict.gate != "licence")
