"""``training.learning_rate=auto``: a rate by a rule, from public facts alone.

It is for a linear layer on rows of the norm sqrt(128), as ``net=auto`` gives: an answer then moves
by the learning rate times the same number, whatever the task. docs/reference/nets.md ("Rates") has
the figures that the constants come from.

With DP-SGD nearly every gradient is clipped at first, so a step goes about as far as the learning
rate times the clip norm. Two things bound it. **The way**: all steps together are as long, however
many they are; a way that is too long swings around what is to be learnt, one output that all
windows move alike more than outputs that compete (``models.kinds.protocol.Pace``). **The noise**:
that of all steps together, averaged over the sites of a round, on one parameter, as a share of the
clip norm. Beyond a bound (``Pace.noise``) the way becomes shorter in proportion, so that what noise
adds to an answer stays the same.
"""

import math
from dataclasses import dataclass

from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import Task
from models.kinds import kind_of

AUTO = "auto"
"""The learning rate by which a configuration asks for the rule."""

_FEWEST = 30
"""A run of fewer steps goes no further in each than one of so many."""


@dataclass(frozen=True)
class Rate:
    """A learning rate, and why."""

    value: float
    why: str

    def __str__(self) -> str:
        return f"training.learning_rate=auto is {self.value:g}: {self.why}"


def rate_for(task: Task, privacy: PrivacyPlan, rounds: int, sites: int) -> Rate:
    """The rate for ``rounds`` of ``sites`` each."""
    if (mechanism := privacy.sample_mechanism) is not None:
        return _noised(task, mechanism, mechanism.steps * rounds, sites)
    return Rate(kind_of(task).pace.plain, f"that of {task.kind.name} where nothing is noised")


def _noised(task: Task, mechanism: SampleMechanism, steps: int, sites: int) -> Rate:
    """See the module."""
    noise, pace = noise_of(mechanism, steps, sites), kind_of(task).pace
    way = pace.way * min(1.0, pace.noise / noise)
    rate = way / (max(steps, _FEWEST) * mechanism.clip_norm)
    why = f"{steps} steps in all, with noise of {noise:.2g} clip norms on a parameter"
    much = f", more than {pace.noise:g}, so each goes less far" if noise > pace.noise else ""
    return Rate(float(f"{rate:.2g}"), why + much)


def noise_of(mechanism: SampleMechanism, steps: int, sites: int) -> float:
    """The standard deviation of all ``steps``' noise on a parameter of the mean, in clip norms."""
    of_one = mechanism.noise_multiplier * math.sqrt(steps) / mechanism.expected_batch
    return of_one / math.sqrt(sites)
