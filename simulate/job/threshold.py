"""The end of a run that learns scores: a survey finds above which of them a window is anomalous."""

from collections.abc import Callable

from fl_common.vocabulary import Parameters
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.threshold import ThresholdRecord, thresholded
from simulate.build import open_ledger
from simulate.engines.protocol import Carrier
from simulate.home import Home
from simulate.job.preparation import Preparation


def with_threshold(
    prepared: Preparation, home: Home, run: FederatedRun, carrier: Callable[[], Carrier]
) -> tuple[Parameters, ThresholdRecord | None]:
    """The parameters of the finished ``run``, and the record of their threshold.

    They are the run's own, and None, where its task has no scores.
    """
    if prepared.threshold is None:
        return run.parameters, None
    plan = prepared.threshold.federation.plan
    survey = prepared.threshold.begin(run.parameters, home.threshold(plan.run))
    open_ledger(home.ledger, plan, len(survey.history), resumes=True)
    if not survey.is_done:
        carrier().carry_out(survey)
    return thresholded(prepared.threshold, survey.parameters, run.parameters)
