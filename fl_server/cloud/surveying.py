"""The survey before a configured run, on the sites that are connected."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from fl_common.errors import RunFailed
from fl_common.vocabulary import Task
from fl_server.rounds.strategy import Federation
from fl_server.rounds.survey import scaled_by, survey_run

_logger = logging.getLogger(__name__)


def scaled_by_survey(
    survey: Federation, task: Task, folder: Path, connect: Callable[[], AbstractContextManager[Any]]
) -> tuple[Task, dict[str, Any]]:
    """``task`` as the ``survey`` has scaled it, and what the model says of that.

    Its state is in ``folder``: what is done is not repeated. ``connect`` reaches the sites.

    Raises:
        RunFailed: too few sites answered.
    """
    run = survey_run(survey, folder)
    try:
        if not run.is_done:
            with connect() as grid:
                run(grid)
    except RunFailed as error:
        raise RunFailed(
            f"survey of scales, {error}. A site of an earlier version refuses it: update its box,"
            " or set scale=null"
        ) from error
    task, record = scaled_by(survey.plan, run.parameters, task)
    _logger.info("%s", record)
    return task, {"scale": record.published()}
