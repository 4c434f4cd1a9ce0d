"""Checks that every trainer makes, so that all trainers refuse the same tasks.

Before training: do plan, net, parameters and windows fit together?
"""

import logging
from functools import lru_cache

import numpy as np

from fl_client.training import LocalTask
from fl_client.training.prepared import net_for
from fl_client.training.private_nets import why_not_private, why_not_under
from fl_client.training.trial import why_not_trainable
from fl_common import params
from fl_common.errors import (
    BadInput,
    InvalidConfiguration,
    InvalidData,
    StoreError,
)
from fl_common.vocabulary import LocalUpdate, Parameters, Refusal, RefusalReason
from models.kinds import kind_of
from models.nets import Net, trained_part
from models.nets.limits import check_options, within
from models.nets.survey import ScoreSurvey, is_survey

MOST_NOISE = 10**10
"""Numbers of noise in one round: some minutes of a processor's time."""

MOST_PASSES = 100.0
"""Over a site's windows in one round with DP: each costs memory and time for every window."""

RAISED = "training raised an error, which the site's own log describes"
"""The detail of a refusal after an exception, whose own text may quote data."""


_logger = logging.getLogger(__name__)


def text_of(error: BadInput | StoreError) -> str:
    """The detail of a refusal for ``error``; that of a store has paths, and is only logged."""
    if isinstance(error, BadInput):
        return str(error)
    _logger.error("%s", error)
    return "the site's store can't be read, as its own log says"


def refuse(task: LocalTask, reason: RefusalReason, detail: str) -> Refusal:
    """The refusal of ``task``."""
    return Refusal(task.site, task.plan.run, task.round, reason, detail)


_RAISED: set[str] = set()
_MOST_RAISED = 100
"""Kinds of exceptions that are named; of more there is a line at level INFO alone."""


def say_raised(task: LocalTask, error: Exception) -> None:
    """Log an exception of training: the first of a kind by name, all with their traceback at INFO.

    The text may quote data: it stays in the log of this machine.
    """
    words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    about = (task.plan.run, task.round, task.site)
    if words not in _RAISED and len(_RAISED) < _MOST_RAISED:
        _RAISED.add(words)
        _logger.warning(
            "run %s, round %s: training at site %s raised %s (told once)", *about, words
        )
    _logger.info("run %s, round %s: site %s raised", *about, exc_info=error)


def update_of(task: LocalTask, delta: Parameters) -> LocalUpdate | Refusal:
    """The trained ``delta`` as an update; if it is not finite, a refusal, or zeros under DP.

    Under DP the round is charged, and a refusal would tell something of an update that is not
    noised yet, or lose one that is.
    """
    privacy = task.plan.privacy
    if not params.is_finite(delta):
        if privacy.guarantee is None:
            detail = "the update holds NaN or infinity. Lower training.learning_rate."
            return refuse(task, RefusalReason.TRAINING, detail)
        _logger.warning("site %s: numbers of the update that are not finite are zero", task.site)
        delta = {name: np.where(np.isfinite(a), a, np.float32(0)) for name, a in delta.items()}
    weight = float(len(task.windows)) if privacy.weights == "examples" else 1.0
    return LocalUpdate(task.site, task.plan.run, task.round, delta, weight)


def check_task(task: LocalTask) -> Refusal | None:
    """None if ``task`` can be trained, else the refusal: that of ``check_public``, or DATA."""
    return check_public(task) or check_windows(task, enough=True)


def check_public(task: LocalTask) -> Refusal | None:
    """The refusal by what the server sent alone, whatever the windows are; None if there is none.

    PLAN for a round, a net, parameters or work that can't be; PRIVACY for a net that can't be
    trained with DP. Call it before any charge, and look at windows only after that.
    """
    if refusal := check_parameters(task):
        return refusal
    try:
        _check_round(task)
        _check_work(task)
    except BadInput as error:
        return refuse(task, RefusalReason.PLAN, str(error))
    if is_survey(net_for(task.plan)):
        return _check_survey(task)
    if problem := why_not_under(task.plan.privacy, net_for(task.plan), task.plan.task):
        return refuse(task, RefusalReason.PRIVACY, str(problem))
    return None


def check_counted(task: LocalTask) -> Refusal | None:
    """As ``check_public``, for windows that are counted: each by itself, where noise covers one."""
    if refusal := check_parameters(task):
        return refusal
    if is_survey(net_for(task.plan)):
        return refuse(task, RefusalReason.PLAN, "a survey labels no windows")
    if task.plan.evaluation and (problem := why_not_private(net_for(task.plan), task.plan.task)):
        return refuse(task, RefusalReason.PRIVACY, str(problem))
    return None


def _check_survey(task: LocalTask) -> Refusal | None:
    """PLAN for a survey whose noise would not be that of one sum over all windows.

    PRIVACY for one of scores by a net that joins windows: one of them could move all votes.
    """
    net, noised = net_for(task.plan), task.plan.privacy.guarantee is not None
    problem = None
    if noised and isinstance(net, ScoreSurvey):
        problem = why_not_private(_scoring(net), task.plan.task)
    if problem is not None:
        return refuse(task, RefusalReason.PRIVACY, str(problem))
    mechanism = task.plan.privacy.sample_mechanism
    if mechanism is None or (mechanism.sampling_rate, mechanism.steps) == (1.0, 1):
        return None
    detail = "a survey takes each window once: a sampling rate of 1, and one step in a round"
    return refuse(task, RefusalReason.PLAN, detail)


@lru_cache(maxsize=16)
def _scoring(net: ScoreSurvey) -> Net:
    return net.scoring().requires_grad_()


def check_parameters(task: LocalTask) -> Refusal | None:
    """PLAN for a net that can't be built, or parameters that are not its own; else None."""
    try:
        _check_parameters(task, _net_of(task))
    except BadInput as error:
        return refuse(task, RefusalReason.PLAN, str(error))
    return None


def check_windows(task: LocalTask, *, enough: bool) -> Refusal | None:
    """DATA for windows that don't fit; with ``enough`` also for none, but with DP."""
    try:
        _check_shape(task)
        if len(task.windows):
            _check_labels(task)
        if enough and task.plan.privacy.guarantee is None:
            _check_enough(task)
    except InvalidData as error:
        return refuse(task, RefusalReason.DATA, str(error))
    return None


def _check_round(task: LocalTask) -> None:
    plan = task.plan
    if plan.privacy.update_mechanism is not None and not 1 <= task.round <= plan.rounds:
        raise InvalidConfiguration(
            f"round {task.round}",
            f"is not of the plan's {plan.rounds} rounds, for which privacy is accounted",
            "Begin a new run for more rounds",
        )


def _check_shape(task: LocalTask) -> None:
    windows, plan = task.windows, task.plan
    shape = plan.task.window_shape
    if windows.values.shape != (len(windows), *shape):
        raise InvalidData(
            f"windows of shape {windows.values.shape} with {len(windows)} labels",
            f"must be (N, {', '.join(map(str, shape))}) with N labels",
            f"Cut them as task {plan.task.name} says",
        )


def _check_labels(task: LocalTask) -> None:
    if found := kind_of(task.plan.task).why_unfit(task.windows.labels):
        raise InvalidData(*found, "Correct or remove those windows")


def _check_enough(task: LocalTask) -> None:
    if not len(task.windows):
        raise InvalidData("no windows", "must be at least one to train on", "Leave the site out")


def _net_of(task: LocalTask) -> Net:
    """The plan's net, built within the limits that its options and parameters set."""
    check_options(task.plan.net.options)
    with within(task.parameters):
        return net_for(task.plan)


def _check_work(task: LocalTask) -> None:
    """Bound the noise, and the passes over windows with DP, that a few bytes of plan ask for."""
    mechanism, passes = task.plan.privacy.sample_mechanism, float(task.plan.training.local_epochs)
    if mechanism is not None:
        passes = mechanism.sampling_rate * mechanism.steps
        _check_noise(mechanism.steps, trained_part(net_for(task.plan), task.parameters))
    if task.plan.privacy.guarantee is not None and passes > MOST_PASSES:
        raise InvalidConfiguration(
            f"{passes:g} passes over a site's windows in a round",
            f"must be at most {MOST_PASSES:g} with DP",
            "Lower training.local_epochs, or privacy.steps times privacy.sampling_rate",
        )


def _check_noise(steps: int, parameters: Parameters) -> None:
    entries = sum(array.size for array in parameters.values())
    if steps * entries > MOST_NOISE:
        raise InvalidConfiguration(
            f"{steps} steps on a net of {entries} trained parameters",
            f"would draw more than {MOST_NOISE:.0e} numbers of noise in a round",
            "Take fewer steps in a round, or a smaller net",
        )


def _check_parameters(task: LocalTask, net: Net) -> None:
    if not is_survey(net) and (problem := why_not_trainable(net, task.plan.task)):
        raise problem
    expected = _shapes_of(net)
    given = {name: array.shape for name, array in task.parameters.items()}
    if given != expected:
        odd = min({*given.items()} ^ {*expected.items()})
        raise InvalidConfiguration(
            f"global parameters of net {task.plan.net.target} ({odd[0]} {odd[1]})",
            "must have the names and shapes of the net that the plan names",
            "Run server and sites with the same version",
        )
    if not _is_finite(task.parameters):
        raise InvalidConfiguration(
            "global parameters",
            "must be finite and hold NaN or infinity",
            "The run has diverged: lower training.learning_rate",
        )


_last_finite: Parameters = {}


def _is_finite(parameters: Parameters) -> bool:
    """As ``params.is_finite``; cached for the sites of a round, which share the parameters."""
    global _last_finite
    if parameters is not _last_finite and params.is_finite(parameters):
        _last_finite = parameters
    return parameters is _last_finite


@lru_cache(maxsize=16)
def _shapes_of(net: Net) -> dict[str, tuple[int, ...]]:
    tensors = [*net.body.named_parameters(), *net.body.named_buffers()]
    return {name: tuple(t.shape) for name, t in tensors if t.is_floating_point()}
