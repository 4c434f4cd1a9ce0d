"""Local training of many sites at once, as one stacked computation on a CPU.

It has the contract and the results of the Opacus trainer. Batches and noise come from
``randomness`` by site and round, so a site's update does not depend on the rest of the cohort.
"""

import math
from collections.abc import Iterator, Sequence

import torch

from fl_client.training import LocalTask
from fl_client.training.checks import RAISED, check_task, refuse, say_raised, update_of
from fl_client.training.poisson import check_poisson
from fl_client.training.prepared import net_for, past_frozen, trained_body
from fl_client.training.randomness import draw_batches
from fl_client.training.stacked.backend import TrainingBackend, backend_for
from fl_client.training.stacked.local_round import ReadyTask
from fl_common.configuration.rules import at_least, require
from fl_common.errors import InvalidData, PrivacyViolation
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from models.kinds import kind_of
from models.nets import Net

_CACHED_BACKENDS = 8

Result = LocalUpdate | Refusal


class CohortTrainer:
    """Trains a cohort in stacks of sites. Caches only built networks; for one thread at a time.

    ``memory_budget_mib`` bounds the memory of one stack: parameters, windows and activations of its
    sites. Refuses single sites, for the same reasons as the Opacus trainer.

    Raises:
        InvalidConfiguration: a budget that is not above 0.
    """

    def __init__(self, memory_budget_mib: int) -> None:
        require("memory_budget_mib", memory_budget_mib, at_least(1), "Set it to 64")
        self._budget = memory_budget_mib * 2**20
        self._backends: dict[tuple[Net, bool], TrainingBackend] = {}

    def train(self, cohort: Sequence[LocalTask]) -> list[Result]:
        """An update or a refusal for each task, in order."""
        answers: dict[int, Result] = {}
        ready: dict[int, ReadyTask] = {}
        for place, task in enumerate(cohort):
            made = _make_ready(task)
            if isinstance(made, Refusal):
                answers[place] = made
            else:
                ready[place] = made
        with torch.no_grad():
            for places in _alike(ready):
                for part in self._parts(places, ready):
                    found = self._answers([ready[place] for place in part])
                    answers |= dict(zip(part, found, strict=True))
        return [answers[place] for place in range(len(cohort))]

    def _parts(self, places: list[int], ready: dict[int, ReadyTask]) -> Iterator[list[int]]:
        """``places`` of stackable tasks, divided evenly into as few stacks as possible."""
        alike = [ready[place] for place in places]
        try:
            size = self._backend_for(alike[0].task).sites_at_once(alike, self._budget)
        except Exception:  # each site raises it again when it trains, and refuses
            size = 1
        stacks = math.ceil(len(places) / size)
        for stack in range(stacks):
            yield places[stack * len(places) // stacks : (stack + 1) * len(places) // stacks]

    def _answers(self, stack: list[ReadyTask]) -> list[Result]:
        """A result for each; if a stack raises, its sites train alone to find the faulty one."""
        try:
            deltas = self._backend_for(stack[0].task).train(stack)
        except Exception as error:
            if len(stack) > 1:
                return [answer for ready in stack for answer in self._answers([ready])]
            return [_refusal(stack[0].task, error)]
        return [update_of(ready.task, delta) for ready, delta in zip(stack, deltas, strict=True)]

    def _backend_for(self, task: LocalTask) -> TrainingBackend:
        """The backend for the plan's net, chosen once by a trial."""
        net, private = net_for(task.plan), task.plan.privacy.sample_mechanism is not None
        if (net, private) not in self._backends:
            while len(self._backends) >= _CACHED_BACKENDS:
                del self._backends[next(iter(self._backends))]
            input_ = past_frozen(task).with_a_row().inputs[0]
            body, kind = trained_body(task.plan), kind_of(task.plan.task)
            self._backends[net, private] = backend_for(body, kind, input_, private)
        return self._backends[net, private]


def _make_ready(task: LocalTask) -> ReadyTask | Refusal:
    """The checked task with everything its steps need, or a refusal."""
    if not task.is_checked and (refusal := check_task(task)):
        return refusal
    try:
        data = past_frozen(task)
        batches = draw_batches(task.plan, task.site, task.round, len(data.targets))
        if (mechanism := task.plan.privacy.sample_mechanism) is not None:
            check_poisson(batches, len(data.targets), mechanism)
    except Exception as error:
        return _refusal(task, error)
    return ReadyTask(task, data.with_a_row(), batches)


def _refusal(task: LocalTask, error: Exception) -> Refusal:
    if isinstance(error, InvalidData):
        return refuse(task, RefusalReason.DATA, str(error))
    if isinstance(error, PrivacyViolation):
        return refuse(task, RefusalReason.PRIVACY, str(error))
    say_raised(task, error)
    return refuse(task, RefusalReason.TRAINING, RAISED)


def _alike(ready: dict[int, ReadyTask]) -> list[list[int]]:
    """Groups of tasks that can be stacked: same plan and round, padded to the same width."""
    groups: list[list[int]] = []
    for place, member in ready.items():
        for group in groups:
            if ready[group[0]].is_like(member):
                group.append(place)
                break
        else:
            groups.append([place])
    return groups
