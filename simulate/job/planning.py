"""The plan of a simulated run, and those of the surveys that go before and after its rounds."""

from fl_common.configuration.rules import Config
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import Spend
from fl_server.build import build_plan
from fl_server.rounds.surveyed import Plans, plans_with
from simulate.build import fleet_facts
from simulate.home import RunRecord
from simulate.job.continuation import identity_of, survey_of, threshold_survey_of
from simulate.world import PRIVATE, World, scale_source_of


def plans_of(config: Config, world: World, begun: RunRecord | None, *, compares: bool) -> Plans:
    """The plans for the run of ``config`` on ``world``, which may have ``begun``.

    Raises:
        InvalidConfiguration: a value breaks a rule, or the surveys leave nothing for the rounds.
    """
    facts, identity = fleet_facts(world), identity_of(begun, config["rounds"])
    survey = survey_of(begun, identity) if scale_source_of(world) == PRIVATE else None

    def made(beside: tuple[Spend, ...]) -> RunPlan:
        return build_plan(config, identity, world.task, facts, compares=compares, beside=beside)

    return plans_with(made, config, world.task, survey, *threshold_survey_of(begun, identity))
