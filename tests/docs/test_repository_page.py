"""``docs/how-to/repository.md``, typed into a shell: from a run to production and back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fl_common.components.description import Kind, Stage
from fl_server.repository.build import build_repository, default_keys, load_configuration
from tests.support import samples
from tests.support.runs import run_of
from tests.support.shell import blocks, desk, replaced, typed
from tests.support.sources import ROOT

PLAN = replace(
    samples.plan(samples.WINDOW_PRIVACY), task=replace(samples.TASK, name="wearables"), seed=None
)


def write_counts(place: Path) -> None:
    """The counts of an evaluation of what testing and production have."""
    folder = place / "repository"
    repository = build_repository(folder, default_keys(folder), load_configuration(None))
    entries = [repository.entry(Kind.MODEL, "wearables", stage) for stage in Stage]
    counts = {
        who: {"digest": entry.component.digest, "correct": 9000, "total": 10000, "noise": 9.0}
        for who, entry in zip(("candidate", "production"), entries, strict=True)
        if entry
    }
    (place / "outputs" / "next" / "counts.json").write_text(json.dumps(counts))


@pytest.mark.slow
@pytest.mark.long
def test_the_how_to_from_a_run_to_production_and_back(tmp_path: Path) -> None:
    """Where it differs: small runs, and the second model goes to a tenth of the sites first."""
    place = desk(tmp_path / "reader")
    run_of(place / "outputs" / "run", PLAN, 1)
    for folder in ("functions", "stacks"):
        shutil.copytree(ROOT / folder, place / folder)
    *first, second, back, functions, stacks, upkeep = blocks("docs/how-to/repository.md")
    (canary,) = blocks("docs/how-to/follow-models.md#canary-some-sites-first")
    typed("".join(first), place, COLUMNS="200")
    run_of(place / "outputs" / "next", replace(PLAN, run="other"), 2, place / "repository")
    write_counts(place)
    second = replaced(second, ("fl-repo promote wearables\n", canary))
    told = typed(second + back + functions + stacks + upkeep, place, COLUMNS="200")
    kept = sorted((place / "repository" / "parameters").iterdir())
    assert len(kept) == 2  # of a model that was copied, and of one that was published here
    assert (place / "deployment" / "compose.yaml").is_file()
    assert told.count("has passed every gate") == 4, told
    for words in (
        "model wearables 1",
        "Trained by run run in 5 rounds on 4 sites: epsilon 3.5 at delta 1e-05 for one window.",
        "version 1 passed parity: ONNX Runtime differs from torch",
        "version 1 had nothing to compare with at accuracy: nothing is in production yet",
        "was promoted to production; it had passed golden, latency",
        "was promoted to production for 10 % of the sites, in place of version 1; it had passed",
        "rolled back to version 1",
        "false alarms in hall 2",
        "Now production has version 1",
    ):
        assert words in told
