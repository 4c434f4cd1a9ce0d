"""The plan of a run, and those of the surveys that go before and after its rounds."""

from dataclasses import dataclass

from fl_common.configuration.rules import Config
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import Spend
from fl_server.build import build_plan
from fl_server.rounds.strategy import Federation
from fl_server.rounds.survey import build_survey, spent_on, with_survey
from fl_server.rounds.threshold import ThresholdSurvey, build_threshold_survey, threshold_plan
from models.kinds import learns_scores
from simulate.build import fleet_facts
from simulate.home import RunRecord
from simulate.job.continuation import identity_of, survey_of, threshold_survey_of
from simulate.world import PRIVATE, World, scale_source_of


@dataclass(frozen=True)
class Plans:
    """The run's plan, those of the surveys before and after it, and what each unit spends there."""

    run: RunPlan
    before: RunPlan | None
    after: RunPlan | None
    beside: tuple[Spend, ...]

    def survey(self, run: Federation, sites: int) -> Federation | None:
        """What finds center and scale before ``run``, where nobody declares them."""
        return build_survey(self.before, run, sites) if self.before else None

    def threshold(self, run: Federation, sites: int) -> ThresholdSurvey | None:
        """What finds the threshold after ``run``, where its task has scores."""
        return build_threshold_survey(self.after, run, sites) if self.after else None


def plans_of(config: Config, world: World, begun: RunRecord | None, *, compares: bool) -> Plans:
    """The plans for the run of ``config`` on ``world``, which may have ``begun``.

    Raises:
        InvalidConfiguration: a value breaks a rule, or the surveys leave nothing for the rounds.
    """
    facts, identity = fleet_facts(world), identity_of(begun, config["rounds"])
    survey = survey_of(begun, identity) if scale_source_of(world) == PRIVATE else None

    def made(beside: tuple[Spend, ...]) -> RunPlan:
        return build_plan(config, identity, world.task, facts, compares=compares, beside=beside)

    after, spends = None, tuple[Spend, ...]()
    if learns_scores(world.task):
        named, times = threshold_survey_of(begun, identity)
        after = threshold_plan(made(()), config["threshold_epsilon"], named)
        spends = spent_on(after) * times
    plan, before = with_survey(
        lambda beside: made((*beside, *spends)), config["scale_epsilon"], survey
    )
    return Plans(plan, before, after, (*(spent_on(before) if before else ()), *spends))
