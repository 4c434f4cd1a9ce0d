"""From a run to production, for each kind of task: its own measure refuses a worse model."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from fl_common.vocabulary import Task
from fl_server.repository.__main__ import main as repository_main
from fl_server.repository.gates import GateFinding
from fl_server.repository.gates.accuracy import accuracy
from fl_server.rounds.counts import NoisedCounts
from models.kinds import kind_of
from simulate import configure
from simulate.__main__ import main as simulate_main
from tests.support.judged import judging
from tests.support.kind_data import KINDS, kind_data
from tests.support.own_data import world_of

pytestmark = pytest.mark.slow

NAME = "arrays"
PLAN = ("rounds=2", "training.batch_size=32", "privacy.epsilon=200", "threshold_epsilon=50")
ASKED = ("evaluation=federated", "evaluation.every=2", "evaluation.epsilon=100")
SYSTEM = "seed=null"
"""The noise of the operating system: a seeded one is not let into production."""
WORSE = "strategy.optimiser._target_=tests.support.against.Against"
"""Whatever is drawn: noise alone is now and then as good as what was learnt."""
LONGER = {"sequence": ("rounds=6", "evaluation.every=6")}
"""More rounds, for kinds whose model is hardly better than noise after two."""
MARGIN = 0.15
"""Of a score. Runs of a kind differ by a few thousandths: a model as good is twenty of these
deviations from the margin, or more, and a worse one forty."""
GATES = f"gates: {{margin: {MARGIN}, epsilon_at_most: 300, held_out_epsilon_at_most: 300}}\n"


@dataclass
class Place:
    """A folder with a repository, and runs of one task that publish there."""

    folder: Path
    data: tuple[str, ...]
    patch: pytest.MonkeyPatch
    output: pytest.CaptureFixture[str]

    def keep(self, *arguments: str) -> str:
        """What ``fl-repo`` prints, in one line, whatever it judges."""
        self.output.readouterr()
        with judging():
            repository_main([*arguments, "-r", str(self.folder / "repository")])
        return " ".join(self.output.readouterr().out.split())

    def simulate(self, name: str, *more: str) -> Path:
        """The outputs folder of a run."""
        folder = self.folder / name
        given = (*self.data, *PLAN, *ASKED, SYSTEM, *more, f"hydra.run.dir={folder}")
        self.patch.setattr("sys.argv", ["simulate", *given])
        simulate_main()
        return folder

    def check(self, run: Path) -> str:
        """What all gates say of the model of a run."""
        (conf := self.folder / "gates.yaml").write_text(GATES)
        evidence = ("--checkpoint", f"{run}/checkpoints", "--counts", f"{run}/counts.json")
        return self.keep("check", NAME, *evidence, "--conf", str(conf))


def against_production(run: Path, task: Task) -> GateFinding:
    """What the sites' counts alone say of the run's model, which may be worse than a guess, too."""
    counts = json.loads((run / "counts.json").read_text())
    candidate, production = (NoisedCounts(**counts[who]) for who in ("candidate", "production"))
    return accuracy(candidate, production, MARGIN, 0.95, task=task)


@pytest.mark.long
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "classification"])
def test_a_model_as_good_is_promoted_and_a_worse_one_is_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path, kind_data(kind, tmp_path, windows=400), monkeypatch, capsys)
    task = world_of(configure(*place.data)).task
    measure = kind_of(task).on_sites
    into = f"publish.repository={tmp_path / 'repository'}"
    plan = LONGER.get(kind, ())
    place.keep("init")
    first = place.simulate("first", *plan)
    place.keep("add", f"{first}/repository", "--from-repository", "--name", NAME)
    assert f"the sites said: {measure.title} " in place.check(first)
    place.keep("promote", NAME)
    said = place.check(place.simulate("same", into, *plan))
    assert "has passed every gate" in said, said
    place.keep("promote", NAME)
    worse = place.simulate("worse", into, WORSE)
    said = place.check(worse)
    assert "can't be promoted yet: accuracy failed" in said, said
    found = against_production(worse, task)
    assert not found.passed, found.detail
    assert found.detail.startswith(f"{measure.title} "), found.detail
    with pytest.raises(SystemExit):
        place.keep("promote", NAME)
    assert "accuracy failed" in capsys.readouterr().err
    assert f"model {NAME} 2 production" in place.keep("list")
