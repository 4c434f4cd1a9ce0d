"""The surveys before and after a configured run, on the sites that are connected."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fl_common.errors import RunFailed
from fl_common.vocabulary import Parameters, Task
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.strategy import Federation
from fl_server.rounds.survey import scaled_by, survey_run
from fl_server.rounds.threshold import ThresholdSurvey, thresholded

_logger = logging.getLogger(__name__)
Connect = Callable[[], AbstractContextManager[Any]]
"""Reaches the sites."""


def scaled_by_survey(
    survey: Federation, task: Task, folder: Path, connect: Connect
) -> tuple[Task, dict[str, Any]]:
    """``task`` as the ``survey`` has scaled it, and what the model says of that.

    Its state is in ``folder``: what is done is not repeated.

    Raises:
        RunFailed: too few sites answered.
    """
    run = survey_run(survey, folder)
    _perform(run, connect, "scales", "or set scale=null")
    task, record = scaled_by(survey.plan, run.parameters, task)
    _logger.info("%s", record)
    return task, {"scale": record.published()}


def threshold_by_survey(
    survey: ThresholdSurvey, scored: Parameters, folder: Path, connect: Connect
) -> tuple[Parameters, dict[str, Any]]:
    """The parameters ``scored`` with the threshold that the ``survey`` finds, and what is said.

    Its state is in ``folder``, as that of scales. Without it nothing is published: the model would
    call windows anomalous by a threshold that nobody has found.

    Raises:
        RunFailed: too few sites answered.
    """
    run = survey.begin(scored, folder)
    _perform(run, connect, "the threshold", "and the server asks again")
    parameters, record = thresholded(survey, run.parameters, scored)
    _logger.log(logging.INFO if record.found else logging.WARNING, "%s", record)
    return parameters, {"threshold": asdict(record)}


def _perform(run: FederatedRun, connect: Connect, of: str, otherwise: str) -> None:
    """Perform what is left of the survey ``run``.

    Raises:
        RunFailed: too few sites answered.
    """
    try:
        if not run.is_done:
            with connect() as grid:
                run(grid)
    except RunFailed as error:
        raise RunFailed(
            f"survey of {of}, {error}. A site of an earlier version refuses it: update its box,"
            f" {otherwise}"
        ) from error
