"""Checks that every trainer makes, so that all trainers refuse the same tasks.

Before training: do plan, net, parameters and windows fit together?
"""

import logging
from functools import lru_cache

from fl_client.training import LocalTask
from fl_client.training.prepared import net_for
from fl_client.training.private_nets import why_not_under
from fl_common import params
from fl_common.errors import (
    BadInput,
    InvalidConfiguration,
    InvalidData,
    StoreError,
)
from fl_common.privacy.accounting import check_delta
from fl_common.vocabulary import Parameters, Refusal, RefusalReason
from models.nets import Net
from models.nets.limits import check_options, within

MOST_NOISE = 10**10
"""Numbers of noise in one round: some minutes of a processor's time."""

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


def check_task(task: LocalTask) -> Refusal | None:
    """None if ``task`` can be trained, else the refusal; call it before any debit or gradient.

    PLAN for a delta, a net or parameters that don't fit; DATA for windows; PRIVACY for a net that
    can't be trained with DP.
    """
    try:
        _check_windows(task)
        _check_plan(task)
        net = _net_of(task)
        _check_parameters(task, net)
        _check_work(task)
    except InvalidData as error:
        return refuse(task, RefusalReason.DATA, str(error))
    except BadInput as error:
        return refuse(task, RefusalReason.PLAN, str(error))
    if problem := why_not_under(task.plan.privacy, net):
        return refuse(task, RefusalReason.PRIVACY, str(problem))
    return None


def check_evaluation(task: LocalTask) -> Refusal | None:
    """None if the task's parameters can be evaluated on its windows, else the refusal.

    PLAN for a delta, a net or parameters that don't fit; DATA for windows.
    """
    try:
        _check_shape(task)
        if len(task.windows):
            _check_labels(task)
        _check_plan(task)
        _check_parameters(task, _net_of(task))
    except InvalidData as error:
        return refuse(task, RefusalReason.DATA, str(error))
    except BadInput as error:
        return refuse(task, RefusalReason.PLAN, str(error))
    return None


def _check_plan(task: LocalTask) -> None:
    plan = task.plan
    promise, by_update = plan.privacy.guarantee, plan.privacy.update_mechanism is not None
    if promise is not None and not by_update:
        check_delta(promise.delta, len(task.windows))
    elif by_update and not 1 <= task.round <= plan.rounds:
        raise InvalidConfiguration(
            f"round {task.round}",
            f"is not of the plan's {plan.rounds} rounds, for which privacy is accounted",
            "Begin a new run for more rounds",
        )


def _check_windows(task: LocalTask) -> None:
    _check_shape(task)
    _check_enough(task)
    _check_labels(task)


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
    windows, plan = task.windows, task.plan
    known = len(plan.task.labels)
    lowest, highest = int(windows.labels.min()), int(windows.labels.max())
    if lowest < 0 or highest >= known:
        raise InvalidData(
            f"labels from {lowest} to {highest}",
            f"must lie in 0..{known - 1}, the labels of task {plan.task.name}",
            "Correct or remove those windows",
        )


def _check_enough(task: LocalTask) -> None:
    windows, mechanism = len(task.windows), task.plan.privacy.sample_mechanism
    if mechanism is not None:
        if windows * mechanism.sampling_rate < 1:
            raise InvalidData(
                f"{windows} windows at a sampling rate of {mechanism.sampling_rate:.3g}",
                "must give a batch of at least one window on average",
                "Leave the site out, or raise the sampling rate",
            )
    elif windows < task.plan.training.batch_size:
        raise InvalidData(
            f"{windows} windows",
            f"must be at least one batch of {task.plan.training.batch_size}",
            "Leave the site out, or lower training.batch_size",
        )


def _net_of(task: LocalTask) -> Net:
    """The plan's net, built within the limits that its options and parameters set."""
    check_options(task.plan.net.options)
    with within(task.parameters):
        return net_for(task.plan)


def _check_work(task: LocalTask) -> None:
    """Bound the noise that a few bytes of plan can ask for."""
    mechanism = task.plan.privacy.sample_mechanism
    entries = sum(array.size for array in task.parameters.values())
    if mechanism is not None and mechanism.steps * entries > MOST_NOISE:
        raise InvalidConfiguration(
            f"{mechanism.steps} steps on a net of {entries} parameters",
            f"would draw more than {MOST_NOISE:.0e} numbers of noise in a round",
            "Take fewer steps in a round, or a smaller net",
        )


def _check_parameters(task: LocalTask, net: Net) -> None:
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
