"""A simulated site that is slow: a quorum goes on without it, and it pays for what it did."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fl_client.__main__ import main as fl_client

SLOW = ["engine.slow.share=0.2", "engine.slow.seconds=25"]


def simulated(folder: Path, *overrides: str) -> tuple[list[dict[str, Any]], str]:
    """The rows of a run of five sites, of which the last is slow, and what it said."""
    given = [
        sys.executable,
        "-m",
        "simulate",
        "net=logistic",
        "rounds=5",
        "sites=5",
        f"hydra.run.dir={folder}",
        *SLOW,
        *overrides,
    ]
    ended = subprocess.run(given, check=True, capture_output=True, text=True)
    rows = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    return rows, ended.stdout + ended.stderr


def rounds_charged(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, list[int]]:
    """The first and the last round that each site charged, and those between."""
    capsys.readouterr()
    fl_client(["ledger", "--home", str(folder), "--json"])
    charged: dict[str, set[int]] = {}
    for block in json.loads(capsys.readouterr().out)["blocks"]:
        for spans in block["rounds"].values():
            for round_ in spans if isinstance(spans, list) else [spans]:
                charged.setdefault(block["site"], set()).add(round_)
    return {site: sorted(rounds) for site, rounds in sorted(charged.items())}


@pytest.mark.slow
def test_a_quorum_goes_on_without_a_slow_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a grace of 10 s: late after 20 s in rounds 1, 3 and 5, and still at work in 2 and 4."""
    folder = tmp_path / "run"
    rows, said = simulated(folder, "strategy.quorum=0.6")
    assert [(row["sites_asked"], row["updates"]) for row in rows] == [(5, 4), (4, 4)] * 2 + [(5, 4)]
    assert "not waited for, as 4 of 5 sites had answered and 10 s were over" in said
    assert "not asked, as an earlier answer is still to come: site" in said
    charged = rounds_charged(folder, capsys)
    assert list(charged.values()) == [[1, 2, 3, 4, 5]] * 4 + [[1, 3, 5]]


@pytest.mark.slow
def test_without_a_quorum_a_round_waits_for_the_slow(tmp_path: Path) -> None:
    """For two hours of simulated time, so that a test which ends has waited for none of it."""
    hours = ("engine.slow.seconds=3600", "strategy.round_timeout_s=4000")
    rows, _ = simulated(tmp_path / "run", "rounds=2", *hours)
    assert [(row["sites_asked"], row["updates"]) for row in rows] == [(5, 5), (5, 5)]
