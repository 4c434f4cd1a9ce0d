"""Runs of ``simulate`` into one repository: the sites themselves judge candidate and production."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fl_client.ledger.ledger import Ledger
from fl_common.components.description import Kind, Stage
from fl_server.repository.__main__ import main as repository_main
from fl_server.repository.build import build_repository, default_keys, load_configuration
from fl_server.repository.store.contents import parameters_path
from simulate.__main__ import main as simulate_main
from tests.support.judged import judging

SITES, NOISE = 4, 0.5
FEW = ("rounds=2", f"sites={SITES}", "training.local_epochs=3", "privacy.epsilon=200")
ASKED = ("evaluation=federated", "evaluation.every=2", "evaluation.epsilon=100")
LOW_NOISE = f"evaluation.noise_multiplier={NOISE}"
LENIENT = "gates: {margin: 0.2, epsilon_at_most: 300}\n"  # the sites hold 200 windows out


@dataclass
class Place:
    """A folder with a repository, and what is done there."""

    folder: Path
    patch: pytest.MonkeyPatch
    output: pytest.CaptureFixture[str]

    def keep(self, *arguments: str) -> str:
        """What ``fl-repo`` prints, whatever it judges."""
        with judging():
            repository_main([*arguments, "-r", str(self.folder / "repository")])
        return self.output.readouterr().out

    def simulate(self, name: str, *overrides: str) -> Path:
        """The outputs folder of a run that publishes into the repository."""
        outputs = self.folder / name
        where = (f"hydra.run.dir={outputs}", f"publish.repository={self.folder / 'repository'}")
        self.patch.setattr("sys.argv", ["simulate", *FEW, *overrides, *where])
        simulate_main()
        return outputs

    def check(self, *how: str) -> str:
        """What the gates say, with limits for a small run."""
        conf = self.folder / "conf.yaml"
        conf.write_text(LENIENT)
        return self.keep("check", "wearables", *how, "--conf", str(conf))

    def judge(self, outputs: Path) -> dict[str, Any]:
        """The signed verdict on accuracy, from the run's own file of counts."""
        self.check("--gate", "accuracy", "--counts", str(outputs / "counts.json"))
        place = self.folder / "repository"
        repository = build_repository(place, default_keys(place), load_configuration(None))
        entry = repository.entry(Kind.MODEL, "wearables", Stage.TESTING)
        assert entry is not None
        (verdict,) = repository.verdicts(entry.component.digest)
        return {"passed": verdict.passed, "detail": verdict.detail, **verdict.values}


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Place:
    """A repository whose production has a model that was trained as well as the others can be."""
    place = Place(tmp_path, monkeypatch, capsys)
    place.keep("init")
    place.simulate("first")
    place.keep("promote", "wearables", "--force", "the first")
    return place


def test_a_run_with_the_noise_of_the_operating_system_is_promoted_without_force(
    place: Place,
) -> None:
    place.keep("retire", "wearables", "--reason", "its noise was seeded")
    outputs = place.simulate("system", "seed=null")
    said = place.check("--checkpoint", str(outputs / "checkpoints"))
    assert "passed every gate that had something to compare it with" in said
    place.keep("promote", "wearables")
    told = place.keep("log", "wearables")
    assert "Now production has version 2" in told
    assert told.count("seeded noise") == 1


def test_a_first_model_has_nothing_to_compare_with_and_shows_what_the_sites_said(
    place: Place,
) -> None:
    place.keep("retire", "wearables", "--reason", "to begin anew")
    outputs = place.simulate("anew", *ASKED, LOW_NOISE)
    counts = json.loads((outputs / "counts.json").read_text())["candidate"]
    said = " ".join(place.check("--counts", str(outputs / "counts.json")).split())
    share = f"{counts['correct'] / counts['total']:.3f}"
    first = "nothing to compare with nothing is in production yet"
    assert f"accuracy {first}; the sites said: accuracy {share}, standard error 0.0" in said
    assert f"interface {first}" in said
    shown = " ".join(place.keep("show", "wearables").split())
    assert f"accuracy {first}; the sites said: accuracy {share}" in shown
    assert "2 had nothing to compare with" in " ".join(place.keep("list").split())
    told = place.keep("log", "wearables")
    assert "had nothing to compare with at accuracy" in told


def releases(outputs: Path) -> Sequence[str]:
    """The runs under which held-out windows of the first site were charged."""
    ledger = Ledger(outputs / "ledger.sqlite", lambda: 0.0, None)
    names = [entry.run for entry in ledger.entries(ledger.sites()[0]) if "evaluation" in entry.run]
    ledger.close()
    return names


def test_an_equal_model_passes_and_a_worse_one_fails(place: Place) -> None:
    same = place.simulate("same", *ASKED, LOW_NOISE)
    counts = json.loads((same / "counts.json").read_text())
    for one in counts.values():
        assert one["noise"] == pytest.approx(2 * NOISE * math.sqrt(SITES))
    assert counts["candidate"] != counts["production"], "one model, and noise of its own for each"
    run = json.loads((same / "run.json").read_text())["run"]
    parts = sorted(name.split("/evaluation/")[0] for name in releases(same))
    assert parts == [run, f"{run}/production"]
    verdict = place.judge(same)
    assert verdict["passed"], verdict
    assert verdict["against"] == counts["production"]["digest"]
    worse = place.simulate("worse", *ASKED, LOW_NOISE, "training.learning_rate=1e-6", "seed=1")
    verdict = place.judge(worse)
    assert not verdict["passed"]
    assert verdict["candidate"] < verdict["production"] - 0.2


def test_without_budget_for_both_there_are_no_counts(place: Place) -> None:
    tight = ("evaluation.noise_multiplier=3", "evaluation.epsilon=1.8")
    outputs = place.simulate("tight", *ASKED[:2], *tight)
    assert "evaluation of production: site" in place.output.readouterr().out
    assert len(releases(outputs)) == 1
    assert set(json.loads((outputs / "counts.json").read_text())) == {"candidate"}


@pytest.mark.slow
def test_another_net_is_compared_as_well(place: Place) -> None:
    outputs = place.simulate("other", *ASKED, LOW_NOISE, "net=logistic")
    assert json.loads((outputs / "counts.json").read_text())["production"]["total"] > 0


@pytest.mark.slow
def test_parameters_that_were_exchanged_are_not_evaluated(place: Place) -> None:
    kept = parameters_path(place.folder / "repository", "*")
    (path,) = kept.parent.glob("*.npz")
    path.write_bytes(b"nothing of the kind")
    outputs = place.simulate("damaged", *ASKED, LOW_NOISE)
    assert "is not compared with production: the parameters" in place.output.readouterr().out
    assert len(releases(outputs)) == 1
    assert set(json.loads((outputs / "counts.json").read_text())) == {"candidate"}
