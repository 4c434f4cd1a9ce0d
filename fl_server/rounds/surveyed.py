"""The plan of a run, and those of the surveys that go before and after its rounds."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from fl_common.configuration.rules import Config
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import Spend
from fl_common.vocabulary import Task
from fl_server.rounds.strategy import Federation
from fl_server.rounds.survey import build_survey, spent_on, with_survey
from fl_server.rounds.threshold import ThresholdSurvey, build_threshold_survey, threshold_plan
from models.kinds import learns_scores


@dataclass(frozen=True)
class Plans:
    """The run's plan, those of the surveys before and after it, and what each unit spends there."""

    run: RunPlan
    before: RunPlan | None
    after: RunPlan | None
    beside: tuple[Spend, ...]

    def begun_with(self, init: str) -> "Plans":
        """These for a run whose first parameters, an earlier model's, have the digest ``init``."""
        return replace(self, run=replace(self.run, init=init))

    def survey(self, run: Federation, sites: int) -> Federation | None:
        """What finds center and scale before ``run``, where nobody declares them."""
        return build_survey(self.before, run, sites) if self.before else None

    def threshold(self, run: Federation, sites: int) -> ThresholdSurvey | None:
        """What finds the threshold after ``run``, where its task has scores."""
        return build_threshold_survey(self.after, run, sites) if self.after else None


def plans_with(
    made: Callable[[tuple[Spend, ...]], RunPlan],
    config: Config,
    task: Task,
    scale: str | None,
    threshold: str,
    times: int = 1,
) -> Plans:
    """The plans of a run that ``made`` makes for what is spent beside its rounds.

    ``scale`` is the identity of a survey of scales, if there is one; ``threshold`` that of the one
    after the run, if its task has scores, which is the last of so many ``times``.

    Raises:
        InvalidConfiguration: a value breaks a rule, or the surveys leave nothing for the rounds.
    """
    after, spends = None, tuple[Spend, ...]()
    if learns_scores(task):
        after = threshold_plan(made(()), config["threshold_epsilon"], threshold)
        spends = spent_on(after) * times
    plan, before = with_survey(
        lambda beside: made((*beside, *spends)), config["scale_epsilon"], scale
    )
    return Plans(plan, before, after, (*(spent_on(before) if before else ()), *spends))
