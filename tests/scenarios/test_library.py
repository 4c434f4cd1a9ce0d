"""Runs that a program calls: their values, their errors, and what they leave of the process."""

import asyncio
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from itertools import groupby
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.supercore.task_identity import TaskIdentity
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from models.metadata import read_metadata
from simulate import Result, RoundResult, configure, open_result, resume, run
from simulate.world.build import open_world

QUICK = ("net=logistic", "rounds=3", "sites=4")
DIGEST = "parameter_digest"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(configure(*QUICK), folder=tmp_path_factory.mktemp("library") / "run")


def test_a_run_gives_its_rounds_model_ledger_and_summary(finished: Result) -> None:
    assert [one.round for one in finished.history] == [1, 2, 3]
    epsilon = finished.history[-1].epsilon
    assert 7.9 < epsilon <= 8.0
    assert finished.ledger.epsilon == pytest.approx(epsilon)
    assert list(finished.ledger.by_site) == [f"person-{i:02d}" for i in range(1, 5)]
    assert max(finished.ledger.by_site.values()) == finished.ledger.epsilon
    assert {block.site for block in finished.ledger.blocks} == set(finished.ledger.by_site)
    assert finished.summary["accuracy"] == finished.history[-1].accuracy
    assert read_metadata(finished.model.read_bytes()).run == finished.summary["run"]
    assert finished.report.is_file()
    with pytest.raises(FrozenInstanceError):
        finished.history[0].round = 9  # type: ignore[misc]


def test_a_result_can_be_opened_later(finished: Result) -> None:
    again = open_result(str(finished.folder))
    assert again == finished
    assert again.ledger == finished.ledger


def test_a_run_without_privacy_has_an_empty_ledger(tmp_path: Path) -> None:
    result = run(configure(*QUICK, "privacy=none"), folder=tmp_path / "run")
    assert (result.ledger.blocks, result.ledger.epsilon, result.ledger.by_site) == ((), None, {})


@pytest.mark.slow
def test_the_command_line_carries_out_the_same_run(finished: Result, tmp_path: Path) -> None:
    ended = command(*QUICK, f"hydra.run.dir={tmp_path}")
    assert ended.returncode == 0, ended.stderr
    assert open_result(tmp_path).summary[DIGEST] == finished.summary[DIGEST]


@pytest.mark.parametrize("kind", [dict, OmegaConf.create, lambda values: values])
def test_any_form_of_configuration_is_accepted(
    kind: Callable[[Any], Any], finished: Result, tmp_path: Path
) -> None:
    values = OmegaConf.to_container(configure(*QUICK), resolve=True)
    result = run(kind(values), folder=tmp_path / "run")
    assert result.summary[DIGEST] == finished.summary[DIGEST]


def test_values_can_be_set_before_the_run(tmp_path: Path) -> None:
    config = configure(*QUICK)
    config.rounds, config.sites = 1, 3  # the world's node refers to it
    rounds: list[RoundResult] = []
    result = run(config, folder=tmp_path / "run", on_round=rounds.append)
    assert tuple(rounds) == result.history
    assert (len(rounds), result.summary["sites"]) == (1, 3)


def process_state() -> dict[str, Any]:
    """What a caller would notice if a run had changed it."""
    loggers = ("", "flwr", "httpx", "fl_client", "simulate", "hydra")
    return {
        "folder": Path.cwd(),
        "arguments": list(sys.argv),
        "environment": dict(os.environ),
        "loggers": [(n, logging.getLogger(n).level, list(logging.getLogger(n).handlers))
                    for n in loggers],
        "threads": torch.get_num_threads(),
        "warnings": list(warnings.filters),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "chance": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),  # noqa: NPY002
        "hydra": (GlobalHydra.instance().hydra, HydraConfig.instance().cfg),
        "plugins": Plugins.instance().discover(SearchPathPlugin),
        "resolvers": sorted((OmegaConf.has_resolver(n) and n) or "" for n in ("first", "now")),
        "flower": (TaskIdentity._task_id, TaskIdentity._run_id, TaskIdentity._node_id),
        "alive": (threading.active_count(), active_children()),
        "output": (sys.stdout, sys.stderr, sys.excepthook),
    }  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_leaves_the_process_as_it_was_and_prints_nothing(
    workers: int, finished: Result, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["their-program", "--their-option"])
    monkeypatch.setattr(TaskIdentity, "_run_id", 77)
    torch.set_num_threads(2)
    before = process_state()
    result = run(configure(*QUICK, f"engine.workers={workers}"), folder=tmp_path / "run")
    assert process_state() == before
    assert capfd.readouterr() == ("", "")
    assert result.summary[DIGEST] == finished.summary[DIGEST]


def test_nothing_of_a_run_stays_open_or_cached(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    digests = set()
    for _ in range(2):
        digests.add(run(configure(*QUICK), folder=folder).summary[DIGEST])
        assert open_world.cache_info().currsize == 0
        held = [str(link.resolve()) for link in Path("/proc/self/fd").iterdir()]
        assert [path for path in held if str(folder) in path] == []
        shutil.rmtree(folder)
    assert len(digests) == 1


@pytest.mark.slow
def test_runs_of_two_threads_wait_for_each_other(finished: Result, tmp_path: Path) -> None:
    results: dict[str, Result] = {}
    heard: list[str] = []

    def train(name: str) -> None:
        results[name] = run(
            configure(*QUICK), folder=tmp_path / name, on_round=lambda one: heard.append(name)
        )

    threads = [threading.Thread(target=train, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {r.summary[DIGEST] for r in results.values()} == {finished.summary[DIGEST]}
    assert len(results) == 2
    assert [len(list(group)) for _, group in groupby(heard)] == [3, 3]


def test_a_run_inside_an_event_loop_and_another_hydra_application(
    finished: Result, tmp_path: Path
) -> None:
    async def cell() -> Result:
        return run(configure(*QUICK), folder=tmp_path / "run")

    with initialize_config_module("conf", version_base="1.3"):
        theirs = GlobalHydra.instance().hydra
        result = asyncio.run(cell())
        assert GlobalHydra.instance().hydra is theirs
    assert result.summary[DIGEST] == finished.summary[DIGEST]


def interrupted(folder: Path, *overrides: str, error: BaseException) -> BaseException:
    """A run that ``error`` ends after its first round."""

    def stop(result: RoundResult) -> None:
        if result.round == 2:
            raise error

    with pytest.raises(type(error)) as caught:
        run(configure(*QUICK, *overrides), folder=folder, on_round=stop)
    assert not (folder / "summary.json").exists()
    return caught.value


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_run_says_how_to_go_on_and_does(
    workers: int, finished: Result, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    error = interrupted(folder, f"engine.workers={workers}", error=KeyboardInterrupt())
    assert error.__notes__ == [f"Go on after the last finished round: resume({str(folder)!r})"]
    assert active_children() == []
    heard: list[RoundResult] = []
    result = resume(folder, on_round=heard.append)
    assert [one.round for one in heard] == [3]
    assert [one.round for one in result.history] == [1, 2, 3]
    assert result.summary[DIGEST] == finished.summary[DIGEST]
    assert result.summary["epsilon"] == finished.summary["epsilon"]
    assert result.ledger.epsilon == pytest.approx(result.summary["epsilon"])


def test_an_error_of_the_caller_ends_the_run_unchanged(tmp_path: Path) -> None:
    error = interrupted(tmp_path / "run", error=ZeroDivisionError("theirs"))
    assert str(error) == "theirs"


@pytest.mark.slow
def test_the_command_line_resumes_what_a_program_began(finished: Result, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    interrupted(folder, error=KeyboardInterrupt())
    refused = command(f"resume={folder}", "seed=3")
    assert refused.returncode == 2
    assert "seed=3: can't be applied" in refused.stderr
    ended = command(f"resume={folder}")
    assert ended.returncode == 0, ended.stderr
    assert "going on after round 2 of 3" in ended.stdout
    assert open_result(folder).summary[DIGEST] == finished.summary[DIGEST]


@pytest.mark.slow
def test_a_program_resumes_what_the_command_line_began(finished: Result, tmp_path: Path) -> None:
    ended = command(*QUICK, f"hydra.run.dir={tmp_path}")
    assert ended.returncode == 0, ended.stderr
    for name in ("summary.json", "model.onnx"):
        (tmp_path / name).unlink()
    assert resume(tmp_path).summary[DIGEST] == finished.summary[DIGEST]
    assert configure(f"resume={tmp_path}").rounds == 3


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulate", *arguments], capture_output=True, text=True, check=False
    )


def test_without_a_folder_each_run_has_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    results = [run(configure(*QUICK, "rounds=1")) for _ in range(2)]
    assert len({result.folder for result in results}) == 2
    assert all(result.folder.parts[0] == "outputs" for result in results)
    record = json.loads((results[0].folder / "run.json").read_text())
    assert record["configuration"]["rounds"] == 1
