"""rounds.jsonl and summary.json: whole, strict, and true to the checkpoint."""

import json
import math
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_common.errors import InvalidConfiguration
from fl_common.privacy.accounting import ACCOUNTANTS
from simulate.report.results import (
    RoundLog,
    RoundResult,
    json_value,
    summarise,
    write_summary,
    write_text,
)
from tests.support import results_samples as made
from tests.support import samples

SUMMARY_KEYS = {
    "kind",
    "measures",
    "task", "sites", "rounds", "seed", "accuracy", "loss", "per_class_accuracy", "epsilon", "delta",
    "accountant", "privacy_unit", "noise_multiplier", "bytes_up", "bytes_down", "seconds",
    "parameter_digest", "onnx_path", "onnx_parity", "versions", "run", "plan_digest", "net",
    "strategy", "engine", "refusals", "epsilon_per_window", "epsilon_per_reading",
    "on_sites", "component", "net_choice", "rate_choice", "notes", "legs", "init",
}  # fmt: skip


def rounds_in(path: Path) -> list[int]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line)["round"] for line in text.splitlines()]


@given(written=st.integers(0, 6), cut=st.integers(0, 400), keep_until=st.integers(0, 8))
def test_a_reopened_log_holds_the_whole_lines_up_to_the_checkpoint(
    written: int, cut: int, keep_until: int
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rounds.jsonl"
        log = RoundLog(path, keep_until=0)
        for round_ in range(1, written + 1):
            log.append(made.result(round_))
        content = path.read_bytes()
        kept = content[: max(0, len(content) - cut)]
        path.write_bytes(kept)
        ends = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
        whole = [at + 1 for at, end in enumerate(ends) if end - 1 <= len(kept)]

        log = RoundLog(path, keep_until=keep_until)
        expected = [round_ for round_ in whole if round_ <= keep_until]
        assert rounds_in(path) == expected
        log.append(made.result(keep_until + 1))
        assert rounds_in(path) == [*expected, keep_until + 1]


def test_reopening_keeps_lines_as_they_were_and_passes_over_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    line = json.dumps(made.result(1).to_row())
    path.write_bytes(line.encode() + b'\n\x00\x00\xff\n[1]\n"round"\n{"round": null}\n{"rou')
    RoundLog(path, keep_until=5)
    assert path.read_text() == line + "\n"


def test_a_line_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    log = RoundLog(path, keep_until=0)
    log.append(made.result(1, loss=math.nan, refusals=Counter(budget=2)))
    row = json.loads(path.read_text())
    assert row["loss"] is None
    assert row["refusals"] == {"budget": 2}


def test_a_result_survives_its_row_with_keys_of_others() -> None:
    result = made.result(3, refusals=Counter(budget=2, data=1), errors=1)
    row = json.loads(json.dumps({**result.to_row(), "charged": [1, 2]}))
    assert RoundResult.from_row(row) == result


def test_a_row_of_another_version_is_named() -> None:
    row = made.result(3).to_row()
    del row["bytes_up"]
    with pytest.raises(InvalidConfiguration, match=r"round 3 .* has no bytes_up"):
        RoundResult.from_row(row)


def test_summary_has_the_figures_of_the_whole_run() -> None:
    plan, end = made.plan(), made.outcome()
    rounds = [
        made.result(1, refusals={"budget": 1}),
        made.result(2, refusals={"budget": 1, "data": 1}),
    ]
    summary = summarise(plan, rounds, end, made.ENDING)
    assert set(summary) == SUMMARY_KEYS
    assert summary["net"] == "cnn1d"
    assert (summary["rounds"], summary["epsilon"], summary["delta"]) == (2, 2**0.5, 1e-5)
    assert summary["accountant"] == ACCOUNTANTS["rdp"]
    assert (summary["bytes_up"], summary["bytes_down"]) == (2_468_000, 4_690_000)
    assert summary["refusals"] == {"budget": 2, "data": 1}
    assert summary["seconds"] == {
        "total": 41.7, "start_up": 4.1, "per_round": 1.5, "rounds": [1.5, 1.5]
    }  # fmt: skip
    assert summary["plan_digest"] == plan.digest()


def test_summary_without_dp_says_so() -> None:
    rounds = [made.result(1, epsilon=0.0)]
    summary = summarise(made.plan(samples.PUBLIC), rounds, made.outcome(), made.ENDING)
    assert summary["privacy_unit"] == "none"
    nothing = ("epsilon", "delta", "accountant", "noise_multiplier")
    assert [summary[key] for key in nothing] == [None] * 4


def test_versions_are_those_installed() -> None:
    summary = summarise(made.plan(), [made.result(1)], made.outcome(), made.ENDING)
    assert summary["versions"]["numpy"] == np.__version__
    assert {"python", "torch", "opacus", "flwr", "onnx", "onnxruntime", "hydra-core",
            "join-the-dots"} < set(summary["versions"])  # fmt: skip


def test_summary_is_strict_json(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary(path, {"loss": math.inf, "share": np.float32(0.5), "each": [np.nan, np.int64(3)]})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "loss": None, "share": 0.5, "each": [None, 3]
    }  # fmt: skip
    assert json_value({"a": (True, None, "x")}) == {"a": [True, None, "x"]}


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_failed_write_leaves_the_file_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "summary.json"
    write_text(path, "before")
    monkeypatch.setattr(step, full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
