"""``python -m simulate`` as a person runs it: its files, repeats, resumes, and bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.metadata import read_metadata
from simulate.__main__ import main

QUICK = ["net=logistic", "rounds=2", "sites=4"]


def simulate(folder: Path, *overrides: str, status: int = 0) -> dict[str, Any]:
    """Run the program in a process of its own; the summary that it leaves."""
    command = [sys.executable, "-m", "simulate", *QUICK, *overrides, f"hydra.run.dir={folder}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in ended.stderr
    if status:
        return {"stderr": ended.stderr}
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return {**summary, "stdout": ended.stdout}


def refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> str:
    """The one line on stderr with which the program refuses ``arguments``; its status is 2."""
    monkeypatch.setattr(sys, "argv", ["simulate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One finished run of the default task, under DP."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, simulate(folder)


def test_a_run_leaves_its_files(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = finished
    assert {path.name for path in folder.iterdir()} >= {
        "summary.json", "rounds.jsonl", "model.onnx", "report.html", "ledger.sqlite", "checkpoints",
        "repository",
    }  # fmt: skip
    assert summary["task"] == "wearables"
    assert (summary["sites"], summary["rounds"], summary["seed"]) == (4, 2, 0)
    assert summary["privacy_unit"] == "window"
    assert 7.9 < summary["epsilon"] <= 8.0
    assert summary["onnx_parity"] <= 1e-4
    rounds = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rounds] == [1, 2]
    assert rounds[0]["epsilon"] < rounds[1]["epsilon"] == summary["epsilon"]
    assert rounds[0]["bytes_up"] > 0


def test_the_model_names_its_run_and_the_privacy_spent(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    folder, summary = finished
    metadata = read_metadata((folder / "model.onnx").read_bytes())
    assert metadata.run == summary["run"]
    assert metadata.parameter_digest == summary["parameter_digest"]
    assert metadata.privacy["epsilon"] == summary["epsilon"]
    assert metadata.privacy["noise_generator"] == "seeded"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_parameters_in_another_process(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    again = simulate(tmp_path)
    assert again["parameter_digest"] == finished[1]["parameter_digest"]


@pytest.mark.slow
def test_another_seed_gives_others(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    other = simulate(tmp_path, "seed=1")
    assert other["parameter_digest"] != finished[1]["parameter_digest"]


@pytest.mark.long
def test_two_workers_end_as_one_does(tmp_path: Path) -> None:
    one, two = (
        simulate(tmp_path / str(count), "net=cnn1d", "sites=5", f"engine.workers={count}")
        for count in (1, 2)
    )
    assert two["parameter_digest"] == one["parameter_digest"]
    assert two["epsilon"] == one["epsilon"]


@pytest.mark.long
def test_rays_runtime_ends_with_the_same_parameters(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    other = simulate(tmp_path, "engine=ray")
    assert other["epsilon"] == pytest.approx(finished[1]["epsilon"])
    np.testing.assert_allclose(_weights(tmp_path), _weights(finished[0]), rtol=1e-5, atol=1e-7)


def _weights(folder: Path) -> np.ndarray[Any, Any]:
    from fl_server.rounds.checkpoint import load_latest

    checkpoint = load_latest(folder / "checkpoints")
    assert checkpoint is not None
    return np.concatenate([array.ravel() for array in checkpoint.parameters.values()])


@pytest.mark.long
def test_a_killed_run_resumes_and_ends_as_the_whole_one(tmp_path: Path) -> None:
    whole = simulate(tmp_path / "whole", "rounds=40")
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "simulate", *QUICK, "rounds=40", f"hydra.run.dir={folder}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:  # until some rounds are over
        if line.startswith("round ") and int(line.split()[1].partition("/")[0]) >= 3:
            break
    process.kill()
    process.wait()
    assert not (folder / "summary.json").exists()
    ended = subprocess.run(
        [sys.executable, "-m", "simulate", f"resume={folder}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "going on after round" in ended.stdout
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["parameter_digest"] == whole["parameter_digest"]
    assert summary["epsilon"] == whole["epsilon"]
    assert len((folder / "rounds.jsonl").read_text().splitlines()) == 40


@pytest.mark.slow
def test_a_sweep_runs_every_combination(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "simulate", *QUICK, "privacy.epsilon=4,8", "--multirun", "seed=0,1",
        f"hydra.sweep.dir={tmp_path}",
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    summaries = [json.loads(path.read_text()) for path in tmp_path.glob("*/summary.json")]
    assert {(round(s["epsilon"]), s["seed"]) for s in summaries} == {(4, 0), (4, 1), (8, 0), (8, 1)}


@pytest.mark.slow
def test_without_privacy_it_says_so(tmp_path: Path) -> None:
    summary = simulate(tmp_path, "privacy=none")
    assert summary["epsilon"] is None
    assert summary["privacy_unit"] == "none"
    assert summary["stdout"].count("No differential privacy") == 2
    assert read_metadata((tmp_path / "model.onnx").read_bytes()).privacy["unit"] == "none"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["nonsense=1"], ["nonsense", "--cfg job"]),
        (["net=nonsense"], ["net/nonsense", "cnn1d"]),
        (["net=null"], ["net=null", "must be the name of an option, such as auto, autoencoder"]),
        (["~privacy"], ["~privacy", "--cfg job"]),
        (["~rounds"], ["~rounds", "--cfg job"]),
        (["privacy.epsilon=0"], ["privacy.epsilon=0", "must lie in [0.01"]),
        (["privacy.epsilon=-1"], ["privacy.epsilon=-1", "must lie in [0.01"]),
        (["privacy.epsilon=inf"], ["privacy.epsilon=inf", "must lie in [0.01"]),
        (["privacy.epsilon=0.001"], ["privacy.epsilon=0.001", "must lie in [0.01"]),
        (["privacy.accountant=prv", "privacy.delta=1e-30"], ["delta=1e-30", "must lie in [1e-15"]),
        (["privacy.delta=0.01"], ["privacy.delta=0.01", "below 1/n"]),
        (["privacy.noise_multiplier=0"], ["noise_multiplier=0", "privacy=none"]),
        (["privacy.sampling_rate=2"], ["privacy.sampling_rate=2", "(0, 1]"]),
        (["sites=11"], ["11", "10"]),
        (["clients_per_round=5"], ["clients_per_round=5", "4"]),
        (["rounds=0"], ["rounds=0"]),
        (["strategy.round_timeout_s=.nan"], ["strategy.round_timeout_s=.nan", "above 0"]),
        (["training.learning_rate=-1"], ["training.learning_rate=-1", "above 0"]),
        (["training.learning_rate=fast"], ["training.learning_rate=fast", "number"]),
        (["data.root=/no/such/place"], ["/no/such/place"]),
        (["strategy=trimmed_mean", "strategy.aggregator.share=0.7"], ["0.7"]),
        (["net=cnn1d", "net.norm=batch"], ["BatchNorm", "GroupNorm"]),
        (["net=cnn2d"], ["window"]),
        (["evaluation=federated", "evaluation.every=0"], ["evaluation.every=0", "whole number"]),
        (["evaluation=federated", "evaluation.epsilon=-1"], ["evaluation.epsilon=-1", "[0.01"]),
        (["evaluation=federated", "evaluation.epsilon=inf"], ["evaluation.epsilon=inf", "[0.01"]),
        (["evaluation=federated", "evaluation.loss_limit=0"], ["evaluation.loss_limit=0"]),
        (["evaluation=federated", "evaluation.noise_multiplier=0"], ["noise_multiplier=0"]),
        (["evaluation=federated", "privacy=site"], ["evaluation=federated", "privacy=window"]),
    ],
)  # fmt: skip
def test_bad_input_ends_in_one_line(
    overrides: list[str],
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "out"
    line = refused(capsys, monkeypatch, *QUICK, *overrides, f"hydra.run.dir={folder}")
    for word in words:
        assert word in line
    left = {path.name for path in folder.rglob("*") if path.is_file()} if folder.exists() else set()
    assert left <= {"config.yaml", "hydra.yaml", "overrides.yaml"}  # Hydra's own record


def test_a_folder_of_another_plan_is_not_resumed(
    finished: tuple[Path, dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, _ = finished
    (folder / "run.lock").unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    line = refused(capsys, monkeypatch, f"resume={folder}", "seed=3", "strategy=fedadam")
    assert "seed=3 (it began with 0)" in line
    assert (
        "strategy.optimiser._target_=fl_server.optimisers.adaptive.FedAdam (it began with" in line
    )
    (folder / "run.lock").unlink()
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_folder_that_is_no_run_is_not_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "run.json" in refused(capsys, monkeypatch, f"resume={tmp_path}")


def test_an_outputs_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    line = refused(capsys, monkeypatch, *QUICK, f"hydra.run.dir={tmp_path / 'file' / 'out'}")
    assert str(tmp_path) in line


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_outputs_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        line = refused(capsys, monkeypatch, *QUICK, f"hydra.run.dir={tmp_path / 'out'}")
        assert "space" in line.lower()
        assert not list(tmp_path.rglob("model.onnx"))
        assert not list(tmp_path.rglob("summary.json"))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_broken_file_of_options_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "broken.yaml").write_text("a: [", "utf-8")
    line = refused(capsys, monkeypatch, f"--config-dir={tmp_path}", "strategy=broken")
    assert "broken.yaml" in line


def test_a_typo_is_not_told_how_to_stay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = refused(capsys, monkeypatch, "nett=mlp")
    assert "nett" in line
    assert "+nett" not in line
