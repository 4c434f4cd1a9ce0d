"""One site's box in a test: its ledger, a real trainer, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation, Reply, Site, any_plan
from fl_client.training import LocalTask, Trainer
from fl_client.training.prepared import net_for
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import Evaluation, LocalUpdate, Refusal, RefusalReason, Windows
from fl_common.wire import messages as wire
from models.nets import parameters_of
from tests.support import samples

KINDS = ("opacus", "cohort")
SITE = "anna"


def trainer_of(kind: str) -> Trainer:
    """A real trainer by its name; imported here, since importing Opacus takes long."""
    if kind == "opacus":
        from fl_client.training.opacus import OpacusTrainer

        return OpacusTrainer()
    from fl_client.training.cohort import CohortTrainer

    return CohortTrainer(64)


def device_plan(privacy: WindowPrivacyPlan = samples.WINDOW_PRIVACY, **changes: Any) -> RunPlan:
    """A plan as on a device: noise and batches are the operating system's."""
    return samples.plan(privacy, **{"seed": None, **changes})


@dataclass
class Watched:
    """Any trainer, and the tasks that it was given."""

    trainer: Trainer
    tasks: list[LocalTask] = field(default_factory=list)

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        """What the trainer answers."""
        self.tasks += cohort
        return self.trainer.train(cohort)


class Box:
    """A site whose ledger lies in ``folder``; each box on the same folder is a new process."""

    def __init__(self, folder: Path, trainer: Trainer, windows: Windows | None = None) -> None:
        self.path = folder / "ledger.sqlite"
        self.ledger = Ledger(self.path, lambda: 7.0, SITE)
        self.trainer = Watched(trainer)
        self.windows = samples.windows() if windows is None else windows
        self.participation = Participation(self.ledger, self.trainer)

    def answer(self, plan: RunPlan, round_: int = 1) -> Reply:
        """What the site answers, as the server receives it."""
        site = Site(SITE, -1, lambda: self.windows, lambda: self.windows, any_plan)
        instruction = Instruction(plan, round_, parameters_of(net_for(plan)))
        (answer,) = self.participation.answer([(site, instruction)])
        return answer

    def evaluates(self, plan: RunPlan) -> Evaluation | Refusal:
        """What the site answers to an evaluation."""
        site = Site(SITE, -1, lambda: self.windows, lambda: self.windows, any_plan)
        return self.participation.evaluate(site, Instruction(plan, 1, parameters_of(net_for(plan))))

    def sends(self, plan: RunPlan, round_: int = 1) -> LocalUpdate:
        """The update that leaves; a refusal fails the test."""
        answer = self.answer(plan, round_)
        assert isinstance(answer, LocalUpdate), answer
        return answer

    def refuses(self, plan: RunPlan, reason: RefusalReason, round_: int = 1) -> None:
        """The site refuses for ``reason``, and no array leaves it; else the test fails."""
        answer = self.answer(plan, round_)
        assert isinstance(answer, Refusal), answer
        assert answer.reason is reason
        assert not wire.write_answer(answer).array_records

    def spent(self) -> float:
        """Epsilon on the site's ledger."""
        return self.ledger.epsilon(SITE, samples.WINDOW_PRIVACY.delta, "rdp")
