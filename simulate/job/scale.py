"""The center and scale of a run's task: as declared, or as a survey finds them before round one."""

from dataclasses import replace

from fl_server.rounds.app import FederatedRun
from fl_server.rounds.survey import ScaleRecord, scaled_by, survey_run
from models.nets import build_net, load_parameters, parameters_of
from simulate.build import open_ledger
from simulate.home import Home
from simulate.job.preparation import Preparation
from simulate.world import scale_source_of


def begin_survey(prepared: Preparation, home: Home, *, resumes: bool) -> FederatedRun | None:
    """The run of the survey with the phases that are done; None where the run has none."""
    if prepared.survey is None:
        return None
    run = survey_run(prepared.survey, home.survey)
    open_ledger(home.ledger, prepared.survey.plan, len(run.history), resumes=resumes)
    return run


def with_scale(
    prepared: Preparation, survey: FederatedRun | None
) -> tuple[Preparation, ScaleRecord]:
    """``prepared`` for the task with what the ``survey`` has found, and whose word that is.

    The first parameters stay. What was found is among what is told of the data.
    """
    task = prepared.plan.task
    if survey is None:
        source = scale_source_of(prepared.fleet.world)
        return prepared, ScaleRecord(source, task.center, task.scale)
    task, record = scaled_by(survey.federation.plan, survey.parameters, task)
    plan = replace(prepared.plan, task=task)
    net = build_net(plan.net, task)
    load_parameters(net, parameters_of(prepared.net))
    federation, data = replace(prepared.federation, plan=plan), [*prepared.data, str(record)]
    threshold = prepared.threshold and prepared.threshold.of_task(task)
    scaled = replace(prepared, federation=federation, net=net, data=data, threshold=threshold)
    return scaled, record
