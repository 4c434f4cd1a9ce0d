"""From a run to production, for each kind of task: its own measure refuses a worse model."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from fl_server.repository.__main__ import main as repository_main
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
WORSE = ("privacy.epsilon=0.02", "threshold_epsilon=0.01", "training.learning_rate=0.5")
"""Noise alone."""
GATES = "gates: {margin: 0.1, epsilon_at_most: 300, held_out_epsilon_at_most: 300}\n"


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


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "classification"])
def test_a_model_as_good_is_promoted_and_a_worse_one_is_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path, kind_data(kind, tmp_path, windows=400), monkeypatch, capsys)
    measure = kind_of(world_of(configure(*place.data)).task).on_sites
    into = f"publish.repository={tmp_path / 'repository'}"
    place.keep("init")
    first = place.simulate("first")
    place.keep("add", f"{first}/repository", "--from-repository", "--name", NAME)
    assert f"the sites said: {measure.title} " in place.check(first)
    place.keep("promote", NAME)
    said = place.check(place.simulate("same", into))
    assert "has passed every gate" in said, said
    place.keep("promote", NAME)
    said = place.check(place.simulate("worse", into, *WORSE))
    assert "can't be promoted yet: accuracy failed" in said, said
    assert f"accuracy FAILED {measure.title} " in said, said
    with pytest.raises(SystemExit):
        place.keep("promote", NAME)
    assert "accuracy failed" in capsys.readouterr().err
    assert f"model {NAME} 2 production" in place.keep("list")
